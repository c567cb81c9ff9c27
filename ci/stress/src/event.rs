//! The backend `Event` without `std`: then the crate event-listener has a lock of its own, which ThreadSanitizer sees into.
//!
//! The argument is the number of rounds.

mod tasks;
mod tools;

use ref_channel::notifier::Event;

fn main() {
    let rounds: u64 = std::env::args()
        .nth(1)
        .map_or(2, |rounds| rounds.parse().expect("the number of rounds"));
    for round in 0..rounds {
        let seed = (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        tasks::futures::<Event>(seed);
        tasks::clones::<Event>(seed);
        tasks::shared::<Event>(seed);
    }
    println!("event: {rounds} rounds");
}
