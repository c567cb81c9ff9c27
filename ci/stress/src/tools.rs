//! What the stress programs are made of.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Scope};

use ref_channel::notifier::{AsyncNotifier, MultiNotifier};
use ref_channel::{Borrower, Mutability, RefMutBorrower, RefMutGuard};

pub const LOANS: u64 = 200;

/// Plain memory on the lender's side, with a checksum: whoever sees it half written, or writes it too late, is caught.
#[derive(Clone)]
pub struct Page {
    pub words: [u64; 16],
    sum: u64,
}

impl Page {
    pub fn new() -> Self {
        Self { words: [0; 16], sum: 0 }
    }

    pub fn bump(&mut self) {
        self.check();
        for word in &mut self.words {
            *word += 1;
        }
        self.sum = self.words.iter().sum();
    }

    pub fn check(&self) {
        assert_eq!(self.sum, self.words.iter().sum::<u64>(), "a torn value");
    }

    pub fn count(&self) -> u64 {
        self.check();
        self.words[0]
    }
}

/// A small generator of numbers: what each thread does next.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Its own waker for each call: the backends see many.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Three threads, each with a borrower and dice of its own.
pub fn three_borrowers<'scope, 'a: 'scope, M: Mutability, N: MultiNotifier + 'a>(
    scope: &'scope Scope<'scope, '_>,
    borrower: Borrower<'a, Page, M, N>,
    seed: u64,
    run: impl Fn(Borrower<'a, Page, M, N>, Dice) + Clone + Send + 'scope,
) where
    Borrower<'a, Page, M, N>: Send,
{
    for number in 0..3 {
        let (borrower, run) = (borrower.clone(), run.clone());
        scope.spawn(move || run(borrower, Dice((seed + number) | 1)));
    }
}

/// Borrows, or gives up at once if that is wanted and nothing is on offer.
pub fn borrow_or_give_up<'b, N: AsyncNotifier>(
    borrower: &'b mut RefMutBorrower<'_, Page, N>,
    give_up: bool,
) -> Option<RefMutGuard<'b, Page, N>> {
    let guard = if give_up {
        match poll_once(pin!(borrower.borrow())) {
            Poll::Ready(guard) => guard,
            Poll::Pending => return None,
        }
    } else {
        block_on(borrower.borrow())
    };
    Some(guard.unwrap())
}
