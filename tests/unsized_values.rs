//! Slices, strings, trait objects and closures, by each way to lend that takes them.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::fmt::{Debug, Display, Write};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use common::{backends, poll_once};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier};
use ref_channel::{RefChannel, RefGuard, RefMutChannel, RefMutGuard};

fn slices<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<[u8], N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut buffer = [0; 4];
    {
        // SAFETY: it completes below. The length goes with the pointer.
        let mut loan = pin!(unsafe { lender.lend(&mut buffer[1..3]) });
        assert!(poll_once(loan.as_mut()).is_pending());
        let mut guard = borrower.try_borrow().unwrap();
        assert_eq!(guard.len(), 2);
        guard.fill(1);
        drop(guard);
        assert_eq!(poll_once(loan), Poll::Ready(Ok(())));
    }
    assert_eq!(buffer, [0, 1, 1, 0]);
    lender.serve_while(&mut buffer, |_| borrower.try_borrow().unwrap()[3] = 2);
    assert_eq!(buffer, [0, 1, 1, 2]);
    {
        let mut loan = pin!(lender.lend_boxed(vec![3; 3].into_boxed_slice()));
        assert!(poll_once(loan.as_mut()).is_pending());
        let guard = borrower.try_borrow().unwrap();
        let (mut front, mut back) = RefMutGuard::map_split(guard, |all| all.split_at_mut(1));
        front[0] = 4;
        back.fill(5);
        drop((front, back));
        assert_eq!(poll_once(loan), Poll::Ready(Ok(vec![4, 5, 5].into_boxed_slice())));
    }
    // An empty one.
    lender.serve_while(&mut [], |_| assert!(borrower.try_borrow().unwrap().is_empty()));
}

fn strings<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefChannel::<str, N>::new();
    let (mut lender, mut borrower) = channel.split();
    {
        let mut loan = pin!(lender.lend_static("static"));
        assert!(poll_once(loan.as_mut()).is_pending());
        let guard = borrower.try_borrow().unwrap();
        let bytes = RefGuard::map(guard, str::as_bytes);
        assert_eq!(&*bytes, b"static");
        drop(bytes);
        assert_eq!(poll_once(loan), Poll::Ready(Ok("static")));
    }
    thread::scope(|scope| {
        let text = String::from("on the stack");
        scope.spawn(move || assert_eq!(&*borrower.borrow_blocking().unwrap(), "on the stack"));
        lender.lend_blocking(&text).unwrap();
    });
}

trait Animal: Send {
    fn name(&mut self, name: &str);
    fn noise(&self) -> String;
}

struct Cow(String);

impl Animal for Cow {
    fn name(&mut self, name: &str) {
        self.0 = name.into();
    }

    fn noise(&self) -> String {
        format!("{} moos", self.0)
    }
}

fn trait_objects<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<dyn Animal, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut cow = Cow(String::new());
    thread::scope(|scope| {
        scope.spawn(|| borrower.borrow_blocking().unwrap().name("Gerda"));
        lender.lend_blocking(&mut cow).unwrap();
    });
    assert_eq!(cow.noise(), "Gerda moos");

    let mut loan = pin!(lender.lend_boxed(Box::new(Cow("Berta".into()))));
    assert!(poll_once(loan.as_mut()).is_pending());
    assert_eq!(borrower.try_borrow().unwrap().noise(), "Berta moos");
    let Poll::Ready(Ok(cow)) = poll_once(loan) else {
        panic!("it was returned")
    };
    assert_eq!(cow.noise(), "Berta moos");
}

fn a_boxed_trait_object_is_dropped_by_the_guard<N: AsyncNotifier>() {
    struct Dropped<'a>(&'a std::sync::atomic::AtomicUsize, [u64; 9]);
    impl Display for Dropped<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("here, ")?;
            Debug::fmt(&self.1.len(), f)
        }
    }
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let drops = std::sync::atomic::AtomicUsize::new(0);
    let mut channel = RefMutChannel::<dyn Display + Send + '_, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_boxed(Box::new(Dropped(&drops, [0; 9]))));
    assert!(poll_once(loan.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(loan);
    let mut text = String::new();
    write!(text, "{guard}").unwrap();
    assert_eq!(text, "here, 9");
    assert_eq!(drops.load(std::sync::atomic::Ordering::SeqCst), 0);
    drop(guard);
    assert_eq!(drops.load(std::sync::atomic::Ordering::SeqCst), 1);
}

fn closures_called_on_another_thread<N: AsyncNotifier + BlockingNotifier>() {
    // The bound of the `dyn` type is that of the channel's type: here it may borrow from this stack.
    let mut calls = Vec::new();
    {
        let mut call = || calls.push(thread::current().id());
        let mut channel = RefMutChannel::<dyn FnMut() + Send + '_, N>::new();
        let (mut lender, mut borrower) = channel.split();
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..3 {
                    borrower.borrow_blocking().unwrap()();
                }
            });
            lender.lend_blocking(&mut call).unwrap();
            pollster::block_on(async {
                // SAFETY: it is awaited.
                unsafe { lender.lend(&mut call) }.await.unwrap();
            });
            lender.lend_timeout(&mut call, std::time::Duration::MAX).unwrap();
        });
    }
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|&id| id == calls[0] && id != thread::current().id()));
}

backends!(both:
    slices,
    strings,
    trait_objects,
    a_boxed_trait_object_is_dropped_by_the_guard,
    closures_called_on_another_thread,
);
