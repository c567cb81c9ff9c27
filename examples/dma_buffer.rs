//! A static buffer is lent back and forth between a driver and its user, as in firmware. Nothing is allocated or
//! copied, and `mod firmware` uses only `core`.
//!
//! A peripheral reads into a fixed buffer by DMA. When a transfer is done, another task parses the buffer in place and
//! writes its answer into it. Only then may the next transfer begin. `lend_static` is safe because the value lives
//! forever, whatever happens to the future.
//!
//! Run: `cargo run --example dma_buffer`

mod firmware {
    use core::pin::pin;
    use core::sync::atomic::{AtomicBool, Ordering};
    use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
    use ref_channel::{LendError, RefMutBorrower, RefMutChannel, RefMutLender};

    pub(crate) type Sector = [u8; 512];
    pub(crate) const SECTORS: u8 = 8;

    static CHANNEL: RefMutChannel<Sector> = RefMutChannel::new();

    /// Simulates the hardware: reads a sector of the disk into memory.
    fn transfer(sector: u8, buffer: &mut Sector) {
        buffer.fill(sector + 1);
    }

    /// Owns the buffer and alternates between a transfer and a loan. Returns the checksum of what the user wrote.
    async fn driver(mut lender: RefMutLender<'static, Sector>, mut buffer: &'static mut Sector) -> u32 {
        let mut written = 0;
        for sector in 0..SECTORS {
            transfer(sector, buffer);
            buffer = match lender.lend_static(buffer).await {
                Ok(back) => back,
                Err(LendError(_buffer)) => break, // every borrower is gone
            };
            written += checksum(buffer);
        }
        written
    }

    /// Parses each sector in place and overwrites it with the answer. Returns when the driver is done.
    async fn user(mut borrower: RefMutBorrower<'static, Sector>, log: fn(u8, u32)) -> u32 {
        let mut read = 0;
        while let Ok(mut sector) = borrower.borrow().await {
            let sum = checksum(&sector);
            log(sector[0], sum);
            read += sum;
            sector.iter_mut().for_each(|byte| *byte *= 2);
        }
        read
    }

    fn checksum(sector: &Sector) -> u32 {
        sector.iter().map(|&byte| u32::from(byte)).sum()
    }

    /// The entry point of the firmware. Returns `None` if the channel is in use.
    pub(crate) fn run(buffer: &'static mut Sector, log: fn(u8, u32)) -> Option<(u32, u32)> {
        let (lender, borrower) = CHANNEL.try_split()?;
        Some(join(driver(lender, buffer), user(borrower, log)))
    }

    /// The executor: polls each task that has been woken, until both are done.
    fn join<A, B>(one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
        static WOKEN: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
        let [first, second] = &WOKEN;
        first.store(true, Ordering::Relaxed);
        second.store(true, Ordering::Relaxed);
        let (mut one, mut two) = (pin!(one), pin!(two));
        let (mut a, mut b) = (None, None);
        loop {
            if a.is_none() && first.swap(false, Ordering::Acquire) {
                a = ready(one.as_mut().poll(&mut Context::from_waker(&waker(first))));
            }
            if b.is_none() && second.swap(false, Ordering::Acquire) {
                b = ready(two.as_mut().poll(&mut Context::from_waker(&waker(second))));
            }
            match (a, b) {
                (Some(a), Some(b)) => return (a, b),
                undone => (a, b) = undone,
            }
            // Real firmware would sleep here until the next interrupt (`wfi`).
            core::hint::spin_loop();
        }
    }

    fn ready<T>(poll: Poll<T>) -> Option<T> {
        match poll {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// A waker that sets a flag.
    fn waker(flag: &'static AtomicBool) -> Waker {
        static VTABLE: RawWakerVTable = RawWakerVTable::new(|flag| RawWaker::new(flag, &VTABLE), wake, wake, |_| {});
        fn wake(flag: *const ()) {
            // SAFETY: the pointer was created from a `&'static AtomicBool`, below.
            unsafe { &*flag.cast::<AtomicBool>() }.store(true, Ordering::Release);
        }
        // SAFETY: the flag is static and atomic, so the functions may be called at any time and on any thread.
        unsafe { Waker::from_raw(RawWaker::new((&raw const *flag).cast(), &VTABLE)) }
    }
}

fn main() {
    static mut BUFFER: firmware::Sector = [0; 512];
    let buffer = &raw mut BUFFER;
    // SAFETY: `main` runs once, and the buffer is not accessed anywhere else.
    let buffer = unsafe { &mut *buffer };

    let log = |sector, checksum| println!("sector {sector}: checksum {checksum}");
    let (written, read) = firmware::run(buffer, log).expect("the channel is split for the first time");
    println!("read {read}, written {written}");
    // Each sector was filled with its number, counting from 1, and the user doubled every byte.
    assert_eq!((read, written), (36 * 512, 2 * 36 * 512));
}
