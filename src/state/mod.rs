//! The state of a channel: the word, which is pure, and the link, which makes atomic steps of it.

#[cfg(test)]
mod explore;
mod link;
mod word;

pub(crate) use self::link::Link;
pub(crate) use self::word::{Asked, Awaits, Refusal, State, Terms, Turn};
