//! Futures that can be forgotten, and the tasks that wait for them.

use std::future::Future;
use std::mem::{ManuallyDrop, forget};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use ref_channel::future::{LendFuture, Requested};
use ref_channel::{LendError, Lender, TryLendError};

use super::reference::{Kind, Refusal};
use super::value::{Backend, Lent, Value};

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// The wakers of one task, and which of them its future saw last.
pub struct Task {
    wakers: [(Arc<Counter>, Waker); 3],
    /// Which one, and how often that had been woken before the poll.
    last: Option<(usize, usize)>,
}

impl Task {
    pub fn new() -> Self {
        let waker = |_| {
            let counter = Arc::new(Counter::default());
            (Arc::clone(&counter), Waker::from(counter))
        };
        Self {
            wakers: [0, 1, 2].map(waker),
            last: None,
        }
    }

    /// A new future, which was not polled.
    pub fn restart(&mut self) {
        self.last = None;
    }

    pub fn poll<F: Future + ?Sized>(&mut self, future: Pin<&mut F>, waker: u8) -> Poll<F::Output> {
        let which = usize::from(waker) % self.wakers.len();
        let (counter, waker) = &self.wakers[which];
        self.last = Some((which, counter.0.load(Relaxed)));
        future.poll(&mut Context::from_waker(waker))
    }

    pub fn was_polled(&self) -> bool {
        self.last.is_some()
    }

    /// Was not polled, or its last waker has been woken since.
    pub fn is_scheduled(&self) -> bool {
        self.last
            .is_none_or(|(which, before)| self.wakers[which].0.0.load(Relaxed) > before)
    }

    /// How often it was woken, through any of its wakers.
    pub fn wakes(&self) -> usize {
        self.wakers.iter().map(|(counter, _)| counter.0.load(Relaxed)).sum()
    }
}

// ----- forgetting ------------------------------------------------------------------------------------------

struct Address(#[expect(dead_code, reason = "only to be found")] *mut ());

// SAFETY: an address, which nobody uses.
unsafe impl Send for Address {}

/// What was forgotten stays reachable: under Miri, and if `MODEL_KEEPS` is set, for LeakSanitizer. What it owns is then no leak.
fn keeps() -> bool {
    static KEEPS: OnceLock<bool> = OnceLock::new();
    *KEEPS.get_or_init(|| cfg!(miri) || std::env::var_os("MODEL_KEEPS").is_some())
}

fn keep<T>(place: *mut T) {
    static KEPT: Mutex<Vec<Address>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().push(Address(place.cast()));
}

/// Frees what was forgotten, without its destructor. What it owns leaks, unless it is [kept](keeps).
///
/// # Safety
/// It came from a box, and nobody uses it any more.
pub unsafe fn free_undropped<F>(place: *mut F) {
    if keeps() {
        keep(place);
    } else {
        // SAFETY: the layout is the same.
        drop(unsafe { Box::from_raw(place.cast::<ManuallyDrop<F>>()) });
    }
}

/// Forgets something that nothing points to.
pub fn forget_movable<T>(value: T) {
    if keeps() {
        keep(Box::into_raw(Box::new(value)));
    } else {
        forget(value);
    }
}

/// A pinned allocation that can be forgotten, and whose memory can be had back when nothing points to it any more.
pub struct Place<F>(*mut F);

impl<F: 'static> Place<F> {
    pub fn new(future: F) -> Self {
        Self(Box::into_raw(Box::new(future)))
    }

    pub fn pin(&mut self) -> Pin<&mut F> {
        // SAFETY: the box is this place's own, and what is in it does not move until it is dropped.
        unsafe { Pin::new_unchecked(&mut *self.0) }
    }

    /// For the end of the program: frees the memory without the destructor.
    pub fn forget(self) -> Box<dyn FnOnce()> {
        let place = self.0;
        forget(self);
        Box::new(move || {
            // SAFETY: it came from a box; both halves are gone, so nothing points there.
            unsafe { free_undropped(place) };
        })
    }
}

impl<F> Drop for Place<F> {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and is dropped once.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

// ----- the lender's futures --------------------------------------------------------------------------------

/// A future of the lender, of whatever type.
pub trait Lending {
    /// The outcome, after a check of what was given back, which is dropped.
    fn poll(&mut self, task: &mut Task, waker: u8) -> Poll<Result<(), Refusal>>;
    /// False if it cannot be withdrawn.
    fn withdraw(&mut self) -> bool;
    fn forget(self: Box<Self>) -> Box<dyn FnOnce()>;
}

struct Call<F, D, W> {
    place: Place<F>,
    /// What the output says.
    told: D,
    withdraw: W,
}

impl<F, D, W> Lending for Call<F, D, W>
where
    F: Future + 'static,
    D: Fn(F::Output) -> Result<(), Refusal>,
    W: Fn(Pin<&mut F>) -> bool,
{
    fn poll(&mut self, task: &mut Task, waker: u8) -> Poll<Result<(), Refusal>> {
        task.poll(self.place.pin(), waker).map(&self.told)
    }

    fn withdraw(&mut self) -> bool {
        (self.withdraw)(self.place.pin())
    }

    fn forget(self: Box<Self>) -> Box<dyn FnOnce()> {
        self.place.forget()
    }
}

fn call<F: LendFuture + 'static>(
    future: F,
    told: impl Fn(F::Output) -> Result<(), Refusal> + 'static,
) -> Box<dyn Lending> {
    Box::new(Call {
        place: Place::new(future),
        told,
        withdraw: |future: Pin<&mut F>| {
            LendFuture::withdraw(future);
            true
        },
    })
}

/// The outcome of a lend that gives something back, which is looked at either way.
fn told<V>(outcome: Result<V, LendError<V>>, check: impl Fn(&V)) -> Result<(), Refusal> {
    let (outcome, back) = match outcome {
        Ok(value) => (Ok(()), value),
        Err(LendError(value)) => (Err(Refusal::Gone), value),
    };
    check(&back);
    outcome
}

/// Begins a call. `place` has a value of its own in a box of the harness, for the calls that need one.
///
/// # Safety
/// The place stays until the loan is over. The futures of the kinds that are [unsafe](Kind::is_unsafe) are not forgotten, unless
/// nothing that is lent is used or freed any more before all is gone.
pub unsafe fn begin<M: Lent, N: Backend>(
    lender: &'static mut Lender<'static, Value, M, N>,
    kind: Kind,
    id: u32,
    place: *mut Value,
) -> Box<dyn Lending> {
    // SAFETY (of the lends by reference): as the caller promises.
    match kind {
        Kind::Lend => call(unsafe { lender.lend(M::reference(place)) }, |outcome| {
            told(outcome, |()| {})
        }),
        Kind::TryLend => call(unsafe { lender.try_lend(M::reference(place)) }, |outcome| {
            outcome.map_err(|why| match why {
                TryLendError::NotRequested => Refusal::NotRequested,
                TryLendError::Disconnected => Refusal::Gone,
            })
        }),
        Kind::Static => call(lender.lend_static(unsafe { M::reference(place) }), move |outcome| {
            told(outcome, |value| value.check(id))
        }),
        Kind::Owned => call(lender.lend_owned(Value::new(id)), move |outcome| {
            told(outcome, |value| value.check(id))
        }),
        Kind::Pinned => call(lender.lend_pinned(Value::new(id)), move |outcome| {
            told(outcome, |value| value.check(id))
        }),
        // SAFETY: it came from a box. `places` has it too, to free it at the end should it be forgotten.
        Kind::Boxed => call(lender.lend_boxed(unsafe { Box::from_raw(place) }), move |outcome| {
            told(outcome, |value| value.check(id))
        }),
        Kind::Serve => call(unsafe { lender.serve(M::reference(place)) }, |()| Ok(())),
        Kind::ServeOwned => call(lender.serve_owned(Value::new(id)), move |value| {
            value.check(id);
            Ok(())
        }),
        Kind::ServePinned => call(lender.serve_pinned(Value::new(id)), move |value| {
            value.check(id);
            Ok(())
        }),
        // SAFETY: as for `lend_boxed`.
        Kind::ServeBoxed => call(lender.serve_boxed(unsafe { Box::from_raw(place) }), move |value| {
            value.check(id);
            Ok(())
        }),
        Kind::Requested => Box::new(Call {
            place: Place::new(lender.requested()),
            told: |outcome| told(outcome, |()| {}),
            withdraw: |_: Pin<&mut Requested<'static, Value, M, N>>| false,
        }),
    }
}
