//! Lends a text to three readers at once, then a report to each of them in turn.
//!
//! The text and the report are local variables of the main thread. A tokio task, a smol task and a plain thread work on
//! them, and nothing is moved, copied, locked or reference-counted.
//!
//!     cargo run --example quickstart [FILE]

use futures::executor::block_on;
use ref_channel::notifier::WakerQueue;
use ref_channel::{BorrowError, RefBorrower, RefChannel, RefMutBorrower, RefMutChannel};
use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Barrier; // works on any executor

const READERS: usize = 3;
const ROUNDS: usize = 200;

fn main() -> ExitCode {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let path = std::env::args().nth(1).unwrap_or_else(|| readme.into());
    match std::fs::read_to_string(&path) {
        Ok(text) => lend_to_readers(&text),
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn lend_to_readers(text: &str) {
    // A `WakerQueue` supports many waiters, so its borrowers can be cloned.
    let (mut text_lender, text_borrower) = RefChannel::<str, WakerQueue>::new().into_split();
    let (mut report_lender, report_borrower) = RefMutChannel::<Report, WakerQueue>::new().into_split();
    let together = Arc::new(Barrier::new(READERS + 1));
    let reader = |count| Reader {
        text: text_borrower.clone(),
        report: report_borrower.clone(),
        together: together.clone(),
        count,
    };
    let words = reader(|text, part| part.words = text.split_whitespace().count());
    let lines = reader(|text, part| part.lines = text.lines().count());
    let letters = reader(count_letters);

    let runtime = tokio::runtime::Runtime::new().expect("tokio starts");
    let tokio_task = runtime.spawn(words.run());
    let smol_task = smol::spawn(lines.run());
    let thread = std::thread::spawn(|| letters.run_blocking());

    // The first rounds warm up the executors. After that, smol's own queue still allocates on every 31st wake. A loan
    // that allocated would do so in every round, including the quietest one.
    let (mut loans, mut quietest, mut report) = (0, usize::MAX, Report::default());
    for _ in 0..ROUNDS {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        report = Report::default();

        // Each reader waits at the barrier while it holds a guard, so this continues once all of them hold one.
        text_lender.serve_while(text, |_| block_on(together.wait()));
        loans += 1;
        for _ in 0..READERS {
            report_lender.lend_blocking(&mut report).expect("the readers are there");
            loans += 1;
        }

        quietest = quietest.min(ALLOCATIONS.load(Ordering::Relaxed) - before);
        assert_eq!(report.addresses, [text.as_ptr().addr(); READERS], "the text was copied");
    }

    drop((text_lender, report_lender)); // ends the readers' loops
    let ends = [
        runtime.block_on(tokio_task).expect("the tokio task ends"),
        smol::block_on(smol_task),
        thread.join().expect("the thread ends"),
    ];
    assert_eq!(ends, [Err(BorrowError); READERS]);

    println!("words    {:>7}  (a tokio task)", report.words);
    println!("lines    {:>7}  (a smol task)", report.lines);
    println!("letters  {:>7}  (a thread, the most frequent)", report.most_frequent());
    println!("{loans} loans in {ROUNDS} rounds: the text to {READERS} readers together, the report to each in turn");
    println!("no copy: in each round each reader saw the text at the address where it is");
    println!(
        "{quietest} allocations in the quietest round of {} loans",
        loans / ROUNDS
    );
}

struct Reader {
    text: RefBorrower<'static, str, WakerQueue>,
    report: RefMutBorrower<'static, Report, WakerQueue>,
    together: Arc<Barrier>,
    count: fn(&str, &mut Report),
}

impl Reader {
    /// Runs as a task on any executor, and holds a guard across an `.await`.
    async fn run(mut self) -> Result<(), BorrowError> {
        loop {
            let text = self.text.borrow().await?;
            self.together.wait().await;
            let part = Report::of(&text, self.count);
            drop(text);
            self.report.borrow().await?.add(&part);
        }
    }

    /// The same, on a thread.
    fn run_blocking(mut self) -> Result<(), BorrowError> {
        loop {
            let text = self.text.borrow_blocking()?;
            block_on(self.together.wait());
            let part = Report::of(&text, self.count);
            drop(text);
            self.report.borrow_blocking()?.add(&part);
        }
    }
}

#[derive(Default)]
struct Report {
    words: usize,
    lines: usize,
    letters: [usize; 26],
    /// Where each reader saw the text.
    addresses: [usize; READERS],
    parts: usize,
}

impl Report {
    fn of(text: &str, count: fn(&str, &mut Report)) -> Self {
        let mut part = Self::default();
        part.addresses[0] = text.as_ptr().addr();
        count(text, &mut part);
        part
    }

    fn add(&mut self, part: &Self) {
        self.words += part.words;
        self.lines += part.lines;
        self.letters = std::array::from_fn(|letter| self.letters[letter] + part.letters[letter]);
        self.addresses[self.parts] = part.addresses[0];
        self.parts += 1;
    }

    fn most_frequent(&self) -> String {
        let mut letters: Vec<_> = ('a'..='z').zip(self.letters).filter(|(_, times)| *times > 0).collect();
        letters.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        letters.into_iter().take(5).map(|(letter, _)| letter).collect()
    }
}

fn count_letters(text: &str, part: &mut Report) {
    for byte in text.bytes().filter(u8::is_ascii_alphabetic) {
        part.letters[usize::from(byte.to_ascii_lowercase() - b'a')] += 1;
    }
}

/// The system allocator, counting the allocations of the whole process.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls are forwarded to the system allocator, which upholds the trait's contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}
