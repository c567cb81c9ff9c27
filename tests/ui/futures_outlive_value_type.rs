//! A future does not outlive a lifetime that its `T` has, as the half that it comes from.
#![forbid(unsafe_code)]

use ref_channel::Exclusive;
use ref_channel::future::{
    Borrow, Lend, LendBoxed, LendOwned, LendPinned, LendStatic, Requested, Serve, ServeBoxed, ServeOwned, ServePinned, TryLend,
    With,
};
use ref_channel::notifier::WakerSlot;

fn lend<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<Lend<'l, &'x str, Exclusive>> = None;
}

fn try_lend<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<TryLend<'l, &'x str, Exclusive>> = None;
}

fn lend_pinned<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<LendPinned<'l, &'x str, Exclusive>> = None;
}

fn lend_boxed<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<LendBoxed<'l, &'x str, Exclusive>> = None;
}

fn lend_static<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<LendStatic<'l, &'x str, Exclusive>> = None;
}

fn requested<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<Requested<'l, &'x str, Exclusive>> = None;
}

fn borrow<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<Borrow<'l, &'x str, Exclusive>> = None;
}

fn lend_owned<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<LendOwned<'l, &'x str, Exclusive>> = None;
}

fn serve<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<Serve<'l, &'x str, Exclusive>> = None;
}

fn serve_owned<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<ServeOwned<'l, &'x str, Exclusive>> = None;
}

fn serve_boxed<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<ServeBoxed<'l, &'x str, Exclusive>> = None;
}

fn serve_pinned<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<ServePinned<'l, &'x str, Exclusive>> = None;
}

fn with<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<With<'l, &'x str, Exclusive, WakerSlot, ()>> = None;
}

fn main() {}
