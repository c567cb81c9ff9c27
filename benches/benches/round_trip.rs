//! One thread, there and back.

use criterion::{Criterion, criterion_group, criterion_main};
use ref_channel_benches::{entrant, round_trip};

fn all(criterion: &mut Criterion) {
    for group in round_trip::groups() {
        entrant::bench(criterion, &group);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
