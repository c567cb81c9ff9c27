//! Loans on a Cortex-M0, which has no compare-and-swap, without std and alloc: between two tasks, and between a task and
//! an interrupt handler. It ends with status 0 if all has happened as it should, else with 1.
//!
//! The owner lends a buffer to the filler. The filler, with that guard in its hand, lends a sample to the interrupt handler,
//! and waits for it. So it is the handler that wakes the filler, by the drop of its guard, and the filler that
//! wakes the owner.
//!
//! Each round the timer fires one instruction later, from the first one of a round until both tasks sleep: so it interrupts
//! every step of both loans.
#![no_std]
#![no_main]

use core::cell::RefCell;
use core::future::Future;
use core::pin::{Pin, pin};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use critical_section::Mutex;
use ref_channel::{BorrowError, RefMutBorrower, RefMutChannel, RefMutLender, TryBorrowError};

/// What the interrupt handler fills.
#[derive(Default)]
struct Sample {
    number: u32,
    /// Whether the processor slept when it came.
    slept: bool,
}

static BUFFERS: RefMutChannel<[u32]> = RefMutChannel::new();
static SAMPLES: RefMutChannel<Sample> = RefMutChannel::new();

/// What belongs to the interrupt handler.
struct Handler {
    timer: SYST,
    borrower: RefMutBorrower<'static, Sample>,
    number: u32,
    again: bool,
}

static HANDLER: Mutex<RefCell<Option<Handler>>> = Mutex::new(RefCell::new(None));
static ASLEEP: AtomicBool = AtomicBool::new(false);
/// Interrupts that found nothing to borrow, for the filler had not got that far.
static EARLY: AtomicU32 = AtomicU32::new(0);

/// So many rounds have to end in sleep, one after another, before all of the way to there is covered.
const SLEEPS: u32 = 100;

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("once");
    core.SYST.set_clock_source(SystClkSource::Core);
    core.SYST.enable_interrupt();
    let buffer = cortex_m::singleton!(: [u32; 8] = [0; 8]).expect("once");
    let sample = cortex_m::singleton!(: Sample = Sample::default()).expect("once");

    let (lender, borrower) = BUFFERS.try_split().expect("once");
    let (sampler, handlers) = SAMPLES.try_split().expect("once");
    assert!(BUFFERS.try_split().is_none());
    let handler = Handler {
        timer: core.SYST,
        borrower: handlers,
        number: 0,
        again: false,
    };
    critical_section::with(|cs| HANDLER.replace(cs, Some(handler)));

    let (mut rounds, mut samples) = (0, 0);
    let executor = run([
        pin!(async { rounds = own(lender, buffer).await }),
        pin!(async { samples = fill(borrower, sampler, sample).await }),
    ]);

    let early = EARLY.load(Ordering::Relaxed);
    hprintln!(
        "{} rounds, {} early interrupts, {} polls, {} sleeps",
        rounds,
        early,
        executor.polls,
        executor.sleeps
    );
    assert_eq!(samples, rounds, "each round has one sample");
    assert!(early > 0, "none came before the sample was lent");
    assert!(
        rounds > early + SLEEPS,
        "none came between the lend of the sample and the sleep"
    );
    assert!(executor.sleeps >= SLEEPS);
    // In a round each task is polled for the start and for the end, and once more if it was woken meanwhile.
    assert!(executor.polls < 6 * rounds, "somebody polls without being woken");
    critical_section::with(|cs| {
        let handler = HANDLER.take(cs).expect("it was there");
        assert_eq!(handler.number, rounds);
        let mut borrower = handler.borrower;
        assert_eq!(borrower.try_borrow().err(), Some(TryBorrowError::Disconnected));
    });
    exit(debug::EXIT_SUCCESS)
}

/// Lends the buffer until the interrupts find nothing but sleep. The number of rounds.
async fn own(mut lender: RefMutLender<'static, [u32]>, mut buffer: &'static mut [u32]) -> u32 {
    let (mut round, mut slept) = (0, 0);
    while slept < SLEEPS {
        round += 1;
        start_timer(round);
        buffer = lender.lend_static(buffer).await.expect("the filler is there");
        let (last, values) = buffer.split_last().expect("it has a length");
        assert!(values.iter().all(|value| *value == round), "the filler has filled it");
        slept = if *last == 1 { slept + 1 } else { 0 };
    }
    round
}

/// Fills the buffer with the samples' numbers, until the owner is gone. The number of samples.
async fn fill(
    mut borrower: RefMutBorrower<'static, [u32]>,
    mut lender: RefMutLender<'static, Sample>,
    mut sample: &'static mut Sample,
) -> u32 {
    let mut samples = 0;
    loop {
        let mut buffer = match borrower.borrow().await {
            Ok(buffer) => buffer,
            Err(BorrowError) => return samples,
        };
        sample = lender.lend_static(sample).await.expect("the handler is there");
        samples += 1;
        let (last, values) = buffer.split_last_mut().expect("it has a length");
        values.fill(sample.number);
        *last = sample.slept.into();
    }
}

/// The timer fires once, after so many cycles.
fn start_timer(cycles: u32) {
    critical_section::with(|cs| {
        let mut handler = HANDLER.borrow_ref_mut(cs);
        start(&mut handler.as_mut().expect("it is there").timer, cycles);
    });
}

fn start(timer: &mut SYST, cycles: u32) {
    timer.set_reload(cycles);
    timer.clear_current();
    timer.enable_counter();
}

#[exception]
fn SysTick() {
    critical_section::with(|cs| {
        let mut handler = HANDLER.borrow_ref_mut(cs);
        let Handler {
            timer,
            borrower,
            number,
            again,
        } = handler.as_mut().expect("it is there");
        timer.disable_counter();
        match borrower.try_borrow() {
            Ok(mut sample) => {
                *number += 1;
                sample.number = *number;
                sample.slept = !core::mem::take(again) && ASLEEP.load(Ordering::Relaxed);
                // The drop of the guard calls the filler's waker.
            }
            Err(TryBorrowError::NotLent) => {
                *again = true;
                EARLY.store(EARLY.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                start(timer, 10_000);
            }
            Err(error) => panic!("{error}"),
        }
    });
}

// ----- the executor ------------------------------------------------------------------------------------------

/// What it has done.
#[derive(Default)]
struct Executor {
    polls: u32,
    sleeps: u32,
}

/// Polls the tasks that were woken, until both have ended, and sleeps when none was.
fn run(tasks: [Pin<&mut dyn Future<Output = ()>>; 2]) -> Executor {
    static WOKEN: [AtomicBool; 2] = [const { AtomicBool::new(true) }; 2];
    let mut tasks = tasks.map(Some);
    let mut executor = Executor::default();
    while tasks.iter().any(Option::is_some) {
        for (task, woken) in tasks.iter_mut().zip(&WOKEN) {
            let Some(future) = task else { continue };
            if !woken.load(Ordering::Acquire) {
                continue;
            }
            // There is no swap. If it is woken between the two, it is polled anyway.
            woken.store(false, Ordering::Relaxed);
            executor.polls += 1;
            if let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker(woken))) {
                *task = None;
            }
        }
        // With interrupts disabled, or one could come between the look and the sleep. It ends the sleep nevertheless,
        // and is served after it.
        cortex_m::interrupt::disable();
        if !WOKEN.iter().any(|woken| woken.load(Ordering::Acquire)) && tasks.iter().any(Option::is_some) {
            executor.sleeps += 1;
            ASLEEP.store(true, Ordering::Relaxed);
            cortex_m::asm::wfi();
        }
        // SAFETY: there is no critical section here.
        unsafe { cortex_m::interrupt::enable() };
        ASLEEP.store(false, Ordering::Relaxed);
    }
    executor
}

/// A waker that sets a flag.
fn waker(woken: &'static AtomicBool) -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &TABLE), wake, wake, |_| {});
    fn wake(data: *const ()) {
        // SAFETY: it is the flag of below, which is static.
        unsafe { &*data.cast::<AtomicBool>() }.store(true, Ordering::Release);
    }
    // SAFETY: the functions do as those of a waker should, on any thread.
    unsafe { Waker::from_raw(RawWaker::new(ptr::from_ref(woken).cast(), &TABLE)) }
}

// ----- the end -----------------------------------------------------------------------------------------------

fn exit(status: debug::ExitStatus) -> ! {
    loop {
        debug::exit(status);
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    hprintln!("{}", info);
    exit(debug::EXIT_FAILURE)
}

/// An undefined instruction, such as that of an abort, or a wrong address.
#[exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    hprintln!("{:?}", frame);
    exit(debug::EXIT_FAILURE)
}
