//! What the benchmarks share: the entrants of each group, the executors they run on, and how they are compared.
//!
//! An entrant is a function that runs a number of rounds and says how long that took. Criterion, the bin `ratios`
//! and the bin `instructions` all run the same functions.

pub mod entrant;
pub mod exec;
pub mod pairs;
pub mod published;
pub mod round_trip;
