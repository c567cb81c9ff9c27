//! The state of a channel: the word, which is pure, and the link, which applies its transitions atomically.

#[cfg(test)]
mod explore;
mod link;
mod word;

pub(crate) use self::link::{Link, View};
pub(crate) use self::word::{Asked, Awaits, Refusal, State, Terms, Turn};
