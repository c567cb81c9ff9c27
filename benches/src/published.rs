//! The published single-file design that this crate started from, written anew for the comparison: one `AtomicU8`
//! with two flags, one `AtomicPtr`, two wakers. It has the faults for which it was replaced; here it is used so that
//! none of them matters: on values that outlive it, by futures that are polled to their ends.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;

const RECEIVING: u8 = 1;
const LENT: u8 = 2;

#[derive(Debug)]
pub struct Published<T> {
    state: AtomicU8,
    value: AtomicPtr<T>,
    host: AtomicWaker,
    client: AtomicWaker,
}

impl<T> Default for Published<T> {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(0),
            value: AtomicPtr::new(ptr::null_mut()),
            host: AtomicWaker::new(),
            client: AtomicWaker::new(),
        }
    }
}

impl<T> Published<T> {
    /// Lends if the client waits, else returns at once.
    ///
    /// # Safety
    /// One host. The future is polled to its end.
    pub async unsafe fn lend(&self, value: &mut T) {
        if self.state.load(Ordering::Acquire) & RECEIVING == 0 {
            return;
        }
        self.value.store(value, Ordering::Relaxed);
        self.state.fetch_or(LENT, Ordering::AcqRel);
        self.client.wake();
        poll_fn(|cx| {
            if self.is_returned() {
                return Poll::Ready(());
            }
            self.host.register(cx.waker());
            if self.is_returned() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn is_returned(&self) -> bool {
        self.state.load(Ordering::Acquire) & LENT == 0
    }

    /// Waits for a loan.
    ///
    /// # Safety
    /// One client. The future is polled to its end, and the guard is dropped.
    pub async unsafe fn borrow(&self) -> Guard<'_, T> {
        self.state.fetch_or(RECEIVING, Ordering::AcqRel);
        poll_fn(|cx| {
            if !self.is_returned() {
                return Poll::Ready(());
            }
            self.client.register(cx.waker());
            if self.is_returned() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        let value = NonNull::new(self.value.load(Ordering::Relaxed)).expect("it is lent");
        Guard {
            channel: self,
            value,
            lent: PhantomData,
        }
    }
}

#[derive(Debug)]
pub struct Guard<'a, T> {
    channel: &'a Published<T>,
    value: NonNull<T>,
    lent: PhantomData<&'a mut T>,
}

// SAFETY: as good as the `&mut T` that it is. (The published guard is not `Send`, so that it cannot be held over an
// await in a task that is spawned; with this line it can take part on the executors of many threads.)
unsafe impl<T: Send> Send for Guard<'_, T> {}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the host waits until the guard is dropped.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and there is one guard.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.channel.state.store(0, Ordering::Release);
        self.channel.host.wake();
    }
}
