//! Two threads that block.

use criterion::{Criterion, criterion_group, criterion_main};
use ref_channel_benches::{entrant, threads};

fn all(criterion: &mut Criterion) {
    for group in threads::groups() {
        entrant::bench(criterion, &group);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
