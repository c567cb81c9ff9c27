//! Borrowers point into the future that owns the value: it must not move.

use ref_channel::RefMutLender;

fn main() {}

// Of this crate, for the message would be another one where the sources of std are installed.
fn poll_unpinned<F: Future + Unpin>(_: &mut F) {}

fn poll_then_move(lender: &mut RefMutLender<'_, u32>) {
    let mut lend = lender.lend_pinned(1);
    poll_unpinned(&mut lend);
    drop(Box::new(lend));
}
