//! What the stress programs are made of.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

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
