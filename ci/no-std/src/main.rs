//! Runs loans with nothing beneath but the kernel: no std, no alloc, no libc. It ends with status 0 if every value is
//! right, 1 if one is wrong, 2 if it panicked.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use ref_channel::notifier::Spin;
use ref_channel::{RefChannel, RefMutChannel, TryBorrowError};

// Where the kernel starts the program. A function may rely on a stack that is aligned to 16 bytes before its call.
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", main = sym main);

static BUFFERS: RefMutChannel<[u8]> = RefMutChannel::new();
static mut BUFFER: [u8; 64] = [0; 64];

extern "C" fn main() -> ! {
    exit(if tasks() && owned() && same_thread() { 0 } else { 1 })
}

/// A loan of a static buffer from one task to another.
fn tasks() -> bool {
    let Some((mut lender, mut borrower)) = BUFFERS.try_split() else {
        return false;
    };
    // SAFETY: this is the only reference: the function is called once.
    #[expect(static_mut_refs)]
    let buffer: &'static mut [u8] = unsafe { &mut BUFFER };

    let mut lend = pin!(lender.lend_static(buffer));
    let mut fill = pin!(async {
        let mut guard = borrower.borrow().await?;
        later().await; // a guard may be held over an `.await`
        // Not `fill`: that may become a call of the C library's `memset`.
        for (value, byte) in (1..).zip(guard.iter_mut()) {
            *byte = value;
        }
        Ok::<_, ref_channel::BorrowError>(guard.len())
    });

    // The executor: it polls both in turn. The borrower asks before there is an offer.
    let mut cx = Context::from_waker(Waker::noop());
    let (mut filled, mut returned) = (None, None);
    let mut polls = 0;
    while filled.is_none() || returned.is_none() {
        poll(&mut fill, &mut filled, &mut cx);
        poll(&mut lend, &mut returned, &mut cx);
        polls += 1;
        if polls > 10 {
            return false;
        }
    }
    matches!(filled, Some(Ok(64))) && matches!(returned, Some(Ok(buffer)) if (1..=64).eq(buffer.iter().copied()))
}

/// A buffer that the future owns, lent as a slice.
fn owned() -> bool {
    let mut channel = RefMutChannel::<[u8]>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = pin!(lender.lend_pinned_as([0_u8; 64], |array| array));
    let mut cx = Context::from_waker(Waker::noop());
    if lend.as_mut().poll(&mut cx).is_ready() {
        return false;
    }
    let Ok(mut guard) = borrower.try_borrow() else {
        return false;
    };
    guard[63] = guard.len() as u8;
    drop(guard);
    matches!(lend.poll(&mut cx), Poll::Ready(Ok(array)) if array[63] == 64)
}

/// A blocking call without std, over `Spin`.
fn same_thread() -> bool {
    let mut channel = RefChannel::<str, Spin>::new();
    let (mut lender, mut borrower) = channel.split();
    let length = lender.serve_while("lent", |_| borrower.try_borrow().map(|text| text.len()));
    let after = borrower.try_borrow().map(|text| text.len());
    (length, after) == (Ok(4), Err(TryBorrowError::NotLent))
}

/// Polls what has not ended.
fn poll<F: Future + Unpin>(future: &mut F, output: &mut Option<F::Output>, cx: &mut Context<'_>) {
    if output.is_some() {
        return;
    }
    if let Poll::Ready(value) = pin!(future).poll(cx) {
        *output = Some(value);
    }
}

/// Is ready when it is polled a second time.
async fn later() {
    let mut polled = false;
    core::future::poll_fn(|_| {
        if core::mem::replace(&mut polled, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

fn exit(status: i32) -> ! {
    // SAFETY: the system call 60 of Linux on x86-64 ends the process, and does not return.
    unsafe { asm!("syscall", in("rax") 60, in("edi") status, options(noreturn, nostack)) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(2)
}
