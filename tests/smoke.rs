use ref_channel::*;
use std::time::Duration;
#[test]
fn threads() {
    let mut ch = RefMutChannel::<u64>::new();
    let (mut l, mut b) = ch.split();
    let mut v = 0u64;
    std::thread::scope(|s| {
        s.spawn(move || { for _ in 0..100_000 { *b.borrow_blocking().unwrap() += 1; } });
        while l.lend_blocking(&mut v).is_ok() {}
    });
    assert_eq!(v, 100_000);
}
#[test]
fn async_one() {
    let mut ch = RefMutChannel::<u64>::new();
    let (mut l, mut b) = ch.split();
    let mut v = 0u64;
    let t = std::time::Instant::now();
    pollster::block_on(async {
        futures::join!(
            async { for _ in 0..1_000_000 { unsafe { l.lend(&mut v) }.await.unwrap(); } },
            async { for _ in 0..1_000_000 { *b.borrow().await.unwrap() += 1; } }
        );
    });
    println!("{:?} per loan", t.elapsed() / 1_000_000);
    assert_eq!(v, 1_000_000);
}
#[test]
fn timeouts() {
    let (mut l, mut b) = RefMutChannel::<u64>::new().into_split();
    assert_eq!(l.lend_timeout(&mut 1, Duration::from_millis(5)), Err(LendTimeoutError::Timeout));
    assert_eq!(b.borrow_timeout(Duration::from_millis(5)).unwrap_err(), BorrowTimeoutError::Timeout);
    assert!(!l.is_requested());
    drop(b);
    assert_eq!(l.lend_timeout(&mut 1, Duration::from_millis(5)), Err(LendTimeoutError::Disconnected));
}
#[test]
fn size() { println!("{}", size_of::<RefMutChannel<u64>>()); }
