//! The programs of the model-based test, from bytes: the first one chooses the backend, each three that follow are
//! an operation.
#![no_main]

#[path = "../../tests/common/checked.rs"]
mod checked;
#[path = "../../tests/model/harness.rs"]
mod harness;

use libfuzzer_sys::fuzz_target;
use ref_channel::notifier::{AtomicWaker, Event, Spin, WakerQueue, WakerSlot};
use ref_channel::{Exclusive, Shared};

use checked::{CheckedQueue, CheckedSlot};
use harness::{Backend, Half, Lent, Op, run};

impl Backend for WakerSlot {}
impl Backend for CheckedSlot {}
impl Backend for AtomicWaker {}

macro_rules! many {
    ($($backend:ty),+) => {$(
        impl Backend for $backend {
            fn clone<M: Lent>(borrower: &Half<M, Self>) -> Option<Half<M, Self>> {
                Some(borrower.clone())
            }
        }
    )+};
}

many!(WakerQueue, CheckedQueue, Event, Spin);

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else {
        return;
    };
    let program: Vec<_> = rest
        .chunks_exact(3)
        .map(|op| Op::decode([op[0], op[1], op[2]]))
        .collect();
    match first % 14 {
        0 => run::<Shared, WakerSlot>(program),
        1 => run::<Exclusive, WakerSlot>(program),
        2 => run::<Shared, WakerQueue>(program),
        3 => run::<Exclusive, WakerQueue>(program),
        4 => run::<Shared, AtomicWaker>(program),
        5 => run::<Exclusive, AtomicWaker>(program),
        6 => run::<Shared, Event>(program),
        7 => run::<Exclusive, Event>(program),
        8 => run::<Shared, Spin>(program),
        9 => run::<Exclusive, Spin>(program),
        10 => run::<Shared, CheckedSlot>(program),
        11 => run::<Exclusive, CheckedSlot>(program),
        12 => run::<Shared, CheckedQueue>(program),
        _ => run::<Exclusive, CheckedQueue>(program),
    };
});
