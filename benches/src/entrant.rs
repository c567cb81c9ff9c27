//! An entrant of a group, and how a group of them is measured.

use std::time::Duration;

/// What an entrant is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This crate with the default backend, or with the one that the group is about: what the others are divided by.
    Ours,
    /// This crate with another backend.
    Backend,
    /// A crate that does the same for its users.
    Peer,
    /// A peer that is not held against us, for the reason given.
    Other(&'static str),
    /// The single-file design that this crate started from.
    Published,
    /// The least that anything could cost in that shape.
    Floor,
}

/// Runs so many rounds, and says how long they took.
pub type Run = fn(u64) -> Duration;

#[derive(Clone, Copy, Debug)]
pub struct Entrant {
    pub name: &'static str,
    pub role: Role,
    pub run: Run,
}

/// Entrants that do the same work in the same shape.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub entrants: Vec<Entrant>,
}

impl Group {
    pub fn new(name: impl Into<String>, entrants: &[(&'static str, Role, Run)]) -> Self {
        let entrants = entrants.iter().map(|&(name, role, run)| Entrant { name, role, run });
        Self {
            name: name.into(),
            entrants: entrants.collect(),
        }
    }
}

/// Gives the group to criterion.
pub fn bench(criterion: &mut criterion::Criterion, group: &Group) {
    let mut bench = criterion.benchmark_group(&group.name);
    for entrant in &group.entrants {
        bench.bench_function(entrant.name, |bencher| bencher.iter_custom(entrant.run));
    }
    bench.finish();
}
