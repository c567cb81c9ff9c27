//! A closure that is run on another thread.

use criterion::{Criterion, criterion_group, criterion_main};
use ref_channel_benches::{entrant, offload};

fn all(criterion: &mut Criterion) {
    for group in offload::groups() {
        entrant::bench(criterion, &group);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
