//! The bounds of preemptions. Written by `ci/bounds.py`.

/// What shows only with more preemptions than `ci/orderings.py` has the time for in other models.
pub const DEEP: [&str; 1] = ["wakers::lender_moves_ahead_of_its_wakes_waker_slot"];

/// The highest bound of a model that does not finish soon without one.
#[rustfmt::skip]
const BOUNDS: [(&str, usize); 1] = [
    ("wakers::lender_moves_ahead_of_its_wakes_waker_slot", 5),
];

pub fn bound(name: &str) -> Option<usize> {
    BOUNDS
        .iter()
        .find(|(bounded, _)| *bounded == name)
        .map(|(_, bound)| *bound)
}
