//! What the benchmarks share: the entrants of each group, the executors they run on, and how they are compared.
//!
//! An entrant is a function that runs a number of rounds and says how long that took. Criterion, the bin `ratios`
//! and the bin `instructions` all run the same functions.

pub mod by_hand;
pub mod clock;
pub mod entrant;
pub mod exec;
pub mod executors;
pub mod many;
pub mod offload;
pub mod pairs;
pub mod processor;
pub mod published;
pub mod round_trip;
pub mod threads;

/// All groups.
pub fn groups() -> Vec<entrant::Group> {
    let groups = [
        round_trip::groups(),
        threads::groups(),
        executors::groups(),
        many::groups(),
        offload::groups(),
    ];
    groups.concat()
}
