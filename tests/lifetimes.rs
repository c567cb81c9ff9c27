//! A guard of what has lifetimes of its own is mapped as freely as the bound `T: 'b` allows. What it forbids is in
//! `tests/ui/guard_*_captured.rs`.

mod common;

use common::poll_once;
use ref_channel::{RefChannel, RefGuard, RefMutChannel, RefMutGuard};
use std::pin::pin;
use std::task::Poll;

#[test]
fn a_guard_is_mapped_to_what_outlives_the_loan() {
    let text = String::from("one two");
    let words: Vec<&str> = text.split(' ').collect();
    let mut channel = RefChannel::<Vec<&str>>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = pin!(lender.lend_pinned(words));
    assert!(poll_once(lend.as_mut()).is_pending());
    let Poll::Ready(Ok(guard)) = poll_once(pin!(borrower.borrow())) else {
        panic!("it is on offer")
    };
    let word: RefGuard<'_, &str> = RefGuard::map(guard, |words| &words[1]);
    let letters: RefGuard<'_, str> = RefGuard::map(word, |word| *word);
    assert_eq!(&*letters, "two");
}

#[test]
fn an_exclusive_guard_is_mapped_through_a_reference() {
    let mut text = String::from("text");
    let mut channel = RefMutChannel::<&mut String>::new();
    {
        let (mut lender, mut borrower) = channel.split();
        let mut lend = pin!(lender.lend_pinned(&mut text));
        assert!(poll_once(lend.as_mut()).is_pending());
        let Poll::Ready(Ok(guard)) = poll_once(pin!(borrower.borrow())) else {
            panic!("it is on offer")
        };
        let mut inner: RefMutGuard<'_, String> = RefMutGuard::map(guard, |text| &mut **text);
        inner.push('!');
    }
    drop(channel);
    assert_eq!(text, "text!");
}
