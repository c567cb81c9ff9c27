//! The size of every public type, and how often a loan allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};

use ref_channel::notifier::{
    AtomicWaker, Deadline, Event, EventSeat, Key, Notice, Park, QueueNode, QueueSeat, Spin, Wake, WakerQueue, WakerSlot,
};
use ref_channel::{
    BorrowError, BorrowTimeoutError, Exclusive, LendError, LendTimeoutError, RefGuard, RefMutBorrower, RefMutChannel,
    RefMutGuard, RefMutLender, Shared, TryBorrowError, TryLendError, future,
};
use ref_channel_benches::{offload, round_trip, threads};

/// Counts the allocations of the whole process.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: it is the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The channel of one `u64`, at most.
const MOST: usize = 128;

macro_rules! sizes {
    ($($type:ty),* $(,)?) => {
        $(println!("  {:<60} {:>5}", stringify!($type), size_of::<$type>());)*
    };
}

/// By backend, the channel, its halves and its futures.
macro_rules! backend {
    ($notifier:ty) => {{
        println!("\n{}", stringify!($notifier));
        type N = $notifier;
        sizes![RefMutChannel<u64, N>, RefMutLender<'_, u64, N>, RefMutBorrower<'_, u64, N>, RefMutGuard<'_, u64, N>];
    }};
}

macro_rules! futures {
    ($notifier:ty) => {{
        type N = $notifier;
        sizes![
            future::Lend<'_, u64, Exclusive, N>,
            future::TryLend<'_, u64, Exclusive, N>,
            future::LendPinned<'_, u64, Exclusive, N>,
            future::LendStatic<'_, u64, Exclusive, N>,
            future::LendBoxed<'_, u64, Exclusive, N>,
            future::Requested<'_, u64, Exclusive, N>,
            future::Borrow<'_, u64, Exclusive, N>,
        ];
    }};
}

fn main() {
    println!("bytes");
    backend!(WakerSlot);
    futures!(WakerSlot);
    backend!(WakerQueue);
    futures!(WakerQueue);
    backend!(AtomicWaker);
    futures!(AtomicWaker);
    backend!(Event);
    futures!(Event);
    backend!(Spin);
    futures!(Spin);
    backend!(Park);

    println!("\nthe rest");
    sizes![
        RefGuard<'_, str>,
        LendError,
        LendError<u64>,
        BorrowError,
        TryLendError,
        TryBorrowError,
        LendTimeoutError,
        BorrowTimeoutError,
        Shared,
        Exclusive,
        Deadline,
        Key,
        Notice,
        Wake,
        QueueSeat,
        QueueNode,
        EventSeat,
    ];

    println!("\nallocations a loan");
    let mut missed = 0;
    let groups = [round_trip::groups(), threads::groups(), offload::groups()].concat();
    for group in groups {
        for entrant in group.entrants {
            let count = allocations(entrant.run);
            let is_ours = matches!(
                entrant.role,
                ref_channel_benches::entrant::Role::Ours | ref_channel_benches::entrant::Role::Backend
            );
            let is_bad = is_ours && entrant.name != "Event" && count >= 0.01; // below: a thread that parked in the one run only
            missed += usize::from(is_bad);
            let note = if is_bad { "   target MISSED: none" } else { "" };
            println!("  {:<20} {:<30} {count:>8.3}{note}", group.name, entrant.name);
        }
    }

    let size = size_of::<RefMutChannel<u64>>();
    missed += usize::from(size > MOST);
    println!(
        "\ntarget: no loan of ours allocates, but with Event; a channel of a u64 has {size} bytes, at most {MOST}"
    );
    println!("{missed} targets missed");
}

/// How many allocations more each round more makes: that of twice the rounds without that of the rounds.
fn allocations(run: ref_channel_benches::entrant::Run) -> f64 {
    const ROUNDS: u64 = 2_000;
    let count = |rounds| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        run(rounds);
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    count(ROUNDS);
    (count(2 * ROUNDS) as f64 - count(ROUNDS) as f64) / ROUNDS as f64
}
