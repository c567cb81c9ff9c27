//! Many borrowers on one thread.

use criterion::{Criterion, criterion_group, criterion_main};
use ref_channel_benches::{entrant, many};

fn all(criterion: &mut Criterion) {
    for group in many::groups() {
        entrant::bench(criterion, &group);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
