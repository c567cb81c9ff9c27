//! Two tasks on tokio, smol and async-std.

use criterion::{Criterion, criterion_group, criterion_main};
use ref_channel_benches::{entrant, executors};

fn all(criterion: &mut Criterion) {
    for group in executors::groups() {
        entrant::bench(criterion, &group);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
