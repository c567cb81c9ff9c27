//! A frame loop lends its world to async tasks, at the end of each frame and for a bounded time.
//!
//! An engine passes `&mut World` to a callback once per frame and needs it back when the callback returns. Networking
//! and scripting tasks live on a runtime on other threads, and the world can neither be moved to them nor kept behind a
//! lock. A frame must not wait for a task that has not requested the world, nor for one whose request was cancelled.
//!
//! `try_serve_timeout` does that: it serves those who wait and those who join them, and ends as soon as nobody waits, or when the
//! budget is used up. The budget bounds the time in which tasks may *begin* to borrow. A frame still waits for a guard that is
//! out, so tasks drop it before their next `.await`, and the one with a lot to do works in chunks and asks whether its guard is
//! recalled: no frame waits longer than for one chunk.
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
/// How many chunks the slow task has to do.
const CHUNKS: u32 = 40;

#[derive(Default)]
struct World {
    tick: u64,
    changes: u32,
    chunks: u32,
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

/// Has a lot to do with the world, and gives it back between two chunks if the frame wants it.
async fn slow_task(mut borrower: Borrower) {
    let mut left = CHUNKS;
    while left > 0 {
        let Ok(mut world) = borrower.borrow().await else { return };
        while left > 0 && !RefMutGuard::is_recalled(&world) {
            thread::sleep(Duration::from_micros(500)); // pathfinding, for one unit
            world.chunks += 1;
            left -= 1;
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

    let (mut frames, mut longest) = (0, Duration::ZERO);
    let world = engine(|world| {
        let start = Instant::now();
        if world.tick == 1 {
            doomed.abort();
        }
        let before = (world.changes, world.chunks);
        let served = lender.try_serve_timeout(world, BUDGET).is_ok();

        let time = start.elapsed();
        longest = longest.max(time);
        frames += 1;
        let (changes, chunks) = (world.changes - before.0, world.chunks - before.1);
        println!("frame {frames:3}: served: {served}, {changes} changes, {chunks} chunks, {time:.1?}");
        // Stop when the last task is done, since no borrower is left.
        !lender.is_disconnected()
    });

    let cancelled = CANCELLED.load(Ordering::Relaxed);
    println!(
        "{} changes, {} chunks, the longest frame took {longest:.1?}, {cancelled} requests were cancelled",
        world.changes, world.chunks
    );
    println!("no frame was stalled: {}", longest < Duration::from_secs(1));
    assert_eq!((world.changes, world.chunks), (TASKS * CHANGES, CHUNKS));
    assert!(cancelled > 0 && longest < Duration::from_secs(1));
}
