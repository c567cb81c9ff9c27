//! A frame loop lends its world to async tasks, at the end of each frame and for a bounded time.
//!
//! An engine passes `&mut World` to a callback once per frame and needs it back when the callback returns. Networking
//! and scripting tasks live on a runtime on other threads, and the world can neither be moved to them nor kept behind a
//! lock. A frame must not wait for a task that has not requested the world, nor for one whose request was cancelled.
//!
//! `try_serve_timeout` does that: it serves those who wait and those who join them, and ends as soon as nobody waits, or when the
//! budget is used up. The budget bounds the time in which tasks may *begin* to borrow. A frame still waits for a guard that is
//! out, so tasks drop it before their next `.await`. One task would never give the world back by itself. It works in chunks, and
//! asks after each whether its guard is recalled: no frame waits for more than one chunk after its budget.
//!
//! Run: `cargo run --release --example game_loop`

use ref_channel::notifier::WakerQueue;
use ref_channel::{RefMutBorrower, RefMutChannel, RefMutGuard};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const FRAME: Duration = Duration::from_millis(5);
/// How long tasks may begin to borrow the world in each frame.
const BUDGET: Duration = Duration::from_millis(2);
const TASKS: u32 = 6;
const CHANGES: u32 = 20;
/// How often the slow task borrows the world.
const SEARCHES: u32 = 8;

#[derive(Default)]
struct World {
    tick: u64,
    changes: u32,
    chunks: u32,
    /// How many chunks of the slow task were done when the frame wanted the world back already.
    late_chunks: u32,
}

type Borrower = RefMutBorrower<'static, World, WakerQueue>;

/// Stands in for a third-party engine: the world is on its stack, and only the callback can access it.
fn engine(mut on_frame: impl FnMut(&mut World) -> bool) -> World {
    let mut world = World::default();
    loop {
        let start = Instant::now();
        world.tick += 1;
        thread::sleep(Duration::from_millis(1)); // physics, drawing
        if !on_frame(&mut world) {
            return world;
        }
        thread::sleep(FRAME.saturating_sub(start.elapsed())); // vertical sync
    }
}

static CANCELLED: AtomicU32 = AtomicU32::new(0);

/// Requests the world repeatedly, each time for less than a frame, so that most requests are cancelled.
async fn impatient_task(mut borrower: Borrower) {
    let mut changes = 0;
    while changes < CHANGES {
        match timeout(Duration::from_millis(1), borrower.borrow()).await {
            Ok(Ok(mut world)) => {
                world.changes += 1;
                changes += 1;
            }
            Ok(Err(_)) => return, // the engine is gone
            Err(_) => _ = CANCELLED.fetch_add(1, Ordering::Relaxed),
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
}

/// Searches for better and better paths, and gives the world back only because the frame wants it.
async fn slow_task(mut borrower: Borrower) {
    for _ in 0..SEARCHES {
        let Ok(mut world) = borrower.borrow().await else { return };
        loop {
            thread::sleep(Duration::from_micros(500)); // one path
            world.chunks += 1;
            if RefMutGuard::is_recalled(&world) {
                world.late_chunks += 1;
                break;
            }
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut lender, borrower) = RefMutChannel::<World, WakerQueue>::new().into_split();
    for _ in 0..TASKS {
        runtime.spawn(impatient_task(borrower.clone()));
    }
    runtime.spawn(slow_task(borrower.clone()));
    // This task is aborted in the middle of its request.
    let mut doomed = borrower;
    let doomed = runtime.spawn(async move { doomed.borrow().await.map(drop) });

    let (mut longest, mut latest) = (Duration::ZERO, 0);
    let world = engine(|world| {
        let start = Instant::now();
        if world.tick == 1 {
            doomed.abort();
        }
        let before = (world.changes, world.chunks, world.late_chunks);
        let served = lender.try_serve_timeout(world, BUDGET).is_ok();

        let time = start.elapsed();
        longest = longest.max(time);
        let (changes, chunks, late) = (
            world.changes - before.0,
            world.chunks - before.1,
            world.late_chunks - before.2,
        );
        latest = latest.max(late);
        println!(
            "frame {:3}: served: {served}, {changes} changes, {chunks} chunks, {late} of them late, {time:.1?}",
            world.tick
        );
        // Stop when the last task is done, since no borrower is left.
        !lender.is_disconnected()
    });

    let cancelled = CANCELLED.load(Ordering::Relaxed);
    println!(
        "{} changes, {} chunks, the longest frame took {longest:.1?}, {cancelled} requests were cancelled",
        world.changes, world.chunks
    );
    println!("late chunks: {}, in one frame at most {latest}", world.late_chunks);
    assert_eq!(world.changes, TASKS * CHANGES);
    // Each search ended because the world was recalled. In counts, because times depend on what else the machine does.
    assert_eq!((world.late_chunks, latest), (SEARCHES, 1));
}
