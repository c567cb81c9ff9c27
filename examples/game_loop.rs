//! A frame loop lends its world to async tasks, at the end of each frame and for a bounded time.
//!
//! An engine passes `&mut World` to a callback once per frame and needs it back when the callback returns. Networking
//! and scripting tasks live on a runtime on other threads, and the world can neither be moved to them nor kept behind a
//! lock. A frame must not wait for a task that has not requested the world, nor for one whose request was cancelled.
//!
//! The budget bounds the time in which tasks may *begin* to borrow. A frame still waits for a guard that is out, so
//! tasks change the world and drop the guard before their next `.await`.
//!
//! Run: `cargo run --release --example game_loop`

use ref_channel::notifier::WakerQueue;
use ref_channel::{RefMutBorrower, RefMutChannel, RefMutLender};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const FRAME: Duration = Duration::from_millis(5);
/// How long tasks may begin to borrow the world in each frame.
const BUDGET: Duration = Duration::from_millis(2);
const TASKS: u32 = 6;
const CHANGES: u32 = 20;

#[derive(Default)]
struct World {
    tick: u64,
    changes: u32,
}

type Borrower = RefMutBorrower<'static, World, WakerQueue>;
type Lender = RefMutLender<'static, World, WakerQueue>;

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

/// Serves the borrowers that are already waiting, one after the other. Returns immediately if there are none.
fn serve_waiting(lender: &mut Lender, world: &mut World, deadline: Instant) -> u32 {
    let mut served = 0;
    while Instant::now() < deadline && lender.try_lend_blocking(world).is_ok() {
        served += 1;
    }
    served
}

/// Keeps the world on offer for the rest of the budget, while this thread does something else (here, it sleeps).
fn stay_open(lender: &mut Lender, world: &mut World, deadline: Instant) {
    lender.serve_while(world, |_| {
        thread::sleep(deadline.saturating_duration_since(Instant::now()))
    });
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

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut lender, borrower) = RefMutChannel::<World, WakerQueue>::new().into_split();
    for _ in 0..TASKS {
        runtime.spawn(impatient_task(borrower.clone()));
    }
    // This task is aborted in the middle of its request.
    let mut doomed = borrower;
    let doomed = runtime.spawn(async move { doomed.borrow().await.map(drop) });

    let (mut frames, mut longest) = (0, Duration::ZERO);
    let world = engine(|world| {
        let start = Instant::now();
        let deadline = start + BUDGET;
        if world.tick == 1 {
            doomed.abort();
        }
        let served = serve_waiting(&mut lender, world, deadline);
        let before = world.changes;
        stay_open(&mut lender, world, deadline);
        let late = world.changes - before;

        let time = start.elapsed();
        longest = longest.max(time);
        frames += 1;
        println!("frame {frames:3}: {served} were waiting, {late} came later, {time:.1?}");
        // Stop when the last task is done, since no borrower is left.
        !lender.is_disconnected()
    });

    let cancelled = CANCELLED.load(Ordering::Relaxed);
    println!(
        "{} changes, the longest frame took {longest:.1?}, {cancelled} requests were cancelled",
        world.changes
    );
    println!("no frame was stalled: {}", longest < Duration::from_secs(1));
    assert_eq!(world.changes, TASKS * CHANGES);
    assert!(cancelled > 0 && longest < Duration::from_secs(1));
}
