//! How many times as long as this crate each peer takes: measured in turn, ours, peer, ours, peer, in short runs, for
//! on a machine that others use only what was measured at the same time can be compared.
//!
//! `ratios [--json FILE] [--pairs N] [--against ENTRANT]... [GROUP-PREFIX...]`

use std::fmt::Write as _;
use std::time::Duration;

use ref_channel::notifier::{Park, WakerQueue, WakerSlot};
use ref_channel_benches::entrant::{Entrant, Group, Role, Run};
use ref_channel_benches::{groups, many, offload, threads};

/// How long one run takes, about.
const RUN: Duration = Duration::from_millis(15);
/// The same where two threads have to run at a time: others are less often in the way of a short run.
const SHORT_RUN: Duration = Duration::from_millis(5);
/// And so many times as many of them.
const MORE_PAIRS: usize = 4;

fn main() {
    let options = Options::from_arguments();
    let mut json = String::new();
    let mut missed = 0;
    for group in groups().iter().filter(|group| options.is_wanted(&group.name)) {
        let results = measure(group, &options);
        print(group, &results);
        if options.against.is_empty() {
            missed += judge(group, &results);
        }
        for result in &results {
            result.write_json(&group.name, &mut json);
        }
    }
    if options.is_wanted("threads") {
        missed += judge_blocked();
    }
    if let Some(path) = options.json {
        std::fs::write(path, json).expect("the file can be written");
    }
    println!("\n{missed} targets missed");
}

struct Options {
    json: Option<String>,
    pairs: usize,
    /// Parts of the names of those to compare with; if there are none, all.
    against: Vec<String>,
    prefixes: Vec<String>,
}

impl Options {
    fn from_arguments() -> Self {
        let mut options = Self {
            json: None,
            pairs: 25,
            against: Vec::new(),
            prefixes: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("the option has a value");
            match argument.as_str() {
                "--json" => options.json = Some(value()),
                "--against" => options.against.push(value()),
                "--pairs" => options.pairs = value().parse().expect("a number"),
                _ => options.prefixes.push(argument),
            }
        }
        options
    }

    fn is_against(&self, entrant: &str) -> bool {
        self.against.is_empty() || self.against.iter().any(|part| entrant.contains(part))
    }

    fn is_wanted(&self, group: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| group.starts_with(prefix))
    }
}

/// An entrant's time a round, and that time divided by ours.
struct Outcome {
    entrant: Entrant,
    nanoseconds: Quartiles,
    ratio: Quartiles,
}

impl Outcome {
    fn write_json(&self, group: &str, json: &mut String) {
        let Entrant { name, role, .. } = self.entrant;
        let (time, Quartiles { low, median, high, .. }) = (self.nanoseconds.median, self.ratio);
        let role = match role {
            Role::Ours => "ours",
            Role::Backend => "backend",
            Role::Peer => "peer",
            Role::Other(_) => "other",
            Role::Published => "published",
            Role::Floor => "floor",
        };
        writeln!(
            json,
            r#"{{"group":"{group}","name":"{name}","role":"{role}","ns":{time:.2},"low":{low:.4},"ratio":{median:.4},"high":{high:.4}}}"#
        )
        .expect("a string can be written");
    }
}

#[derive(Clone, Copy)]
struct Quartiles {
    least: f64,
    low: f64,
    median: f64,
    high: f64,
}

impl Quartiles {
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |part: f64| samples[((samples.len() - 1) as f64 * part).round() as usize];
        Self {
            least: at(0.0),
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }
}

/// How many rounds take about as long as a run. The least of three, for others may be in the way.
fn rounds(run: Run, length: Duration) -> u64 {
    let mut rounds = 1;
    loop {
        let time = (0..3).map(|_| run(rounds)).min().expect("three runs");
        if time >= length / 4 {
            return ((rounds as f64 * length.as_secs_f64() / time.as_secs_f64()) as u64).max(1);
        }
        rounds *= 2;
    }
}

fn nanoseconds(run: Run, rounds: u64) -> f64 {
    run(rounds).as_nanos() as f64 / rounds as f64
}

fn measure(group: &Group, options: &Options) -> Vec<Outcome> {
    let is_ours = |entrant: &&Entrant| entrant.role == Role::Ours;
    let ours = group.entrants.iter().find(is_ours).expect("we take part");
    let one_thread = ["round_trip", "many"]
        .iter()
        .any(|prefix| group.name.starts_with(prefix));
    let (length, pairs) = if one_thread {
        (RUN, options.pairs)
    } else {
        (SHORT_RUN, MORE_PAIRS * options.pairs)
    };
    let our_rounds = rounds(ours.run, length);
    let outcome = |entrant: &Entrant| {
        let rounds = rounds(entrant.run, length);
        let (mut times, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..pairs {
            let our_time = nanoseconds(ours.run, our_rounds);
            let time = nanoseconds(entrant.run, rounds);
            times.push(time);
            ratios.push(time / our_time);
        }
        Outcome {
            entrant: *entrant,
            nanoseconds: Quartiles::of(times),
            ratio: Quartiles::of(ratios),
        }
    };
    let is_wanted = |entrant: &&Entrant| options.is_against(entrant.name);
    group.entrants.iter().filter(is_wanted).map(outcome).collect()
}

fn print(group: &Group, outcomes: &[Outcome]) {
    let name = &group.name;
    println!(
        "\n{name:<32} {:>12} {:>12}   theirs / ours (quartiles)",
        "ns a round", "the fastest"
    );
    for outcome in outcomes {
        let name = outcome.entrant.name;
        let (time, least) = (outcome.nanoseconds.median, outcome.nanoseconds.least);
        let Quartiles { low, median, high, .. } = outcome.ratio;
        let note = match outcome.entrant.role {
            Role::Other(why) => format!("   not held against us: {why}"),
            _ => String::new(),
        };
        println!("  {name:<30} {time:>12.1} {least:>12.1}   {median:>7.2}  ({low:.2} .. {high:.2}){note}");
    }
}

/// Whom a target is about.
enum Whom {
    /// The fastest in that role.
    Best(Role),
    Named(&'static str),
}

/// What a group has to reach: how many times as long as ours the other's time has to be at least, or may be at most.
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

fn targets(group: &str) -> Vec<(Whom, Bound)> {
    use Bound::{AtLeast, AtMost};
    use Whom::{Best, Named};
    match group {
        "round_trip/joined" | "round_trip/block_on" => vec![
            (Best(Role::Peer), AtLeast(2.0)),
            (Best(Role::Published), AtLeast(2.2)),
            (Best(Role::Floor), AtLeast(1.0 / 1.25)),
        ],
        "threads" => vec![(Best(Role::Peer), AtLeast(2.0))],
        "executors/tokio" => vec![(Best(Role::Peer), AtLeast(2.5)), (Best(Role::Published), AtLeast(1.5))],
        "many/updates/32" => vec![(Best(Role::Peer), AtLeast(1.0))],
        // At most 0.7 of the time of the fastest mutex.
        group if group.starts_with(many::SERVED) => vec![(Best(Role::Peer), AtLeast(1.0 / 0.7))],
        many::GROWTH => vec![(Named(many::LAST), AtMost(1.25))],
        "offload" => vec![
            (Best(Role::Peer), AtLeast(3.0)),
            (Named(offload::THREAD_SCOPE), AtLeast(25.0)),
        ],
        _ => vec![],
    }
}

/// Says which targets are met, and returns how many are not.
fn judge(group: &Group, outcomes: &[Outcome]) -> usize {
    let mut missed = 0;
    for (whom, bound) in targets(&group.name) {
        let is_meant = |outcome: &&Outcome| match whom {
            Whom::Best(role) => outcome.entrant.role == role,
            Whom::Named(name) => outcome.entrant.name == name,
        };
        let meant = outcomes.iter().filter(is_meant);
        let best = meant.min_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median));
        let best = best.expect("somebody is meant");
        let (name, ratio) = (best.entrant.name, best.ratio.median);
        let (is_met, bound) = match bound {
            Bound::AtLeast(least) => (ratio >= least, format!("at least {least:.2}")),
            Bound::AtMost(most) => (ratio <= most, format!("at most {most:.2}")),
        };
        missed += usize::from(!is_met);
        println!("  target {}: {name} / ours = {ratio:.2}, {bound}", verdict(is_met));
    }
    missed
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

/// A thread that has to wait long uses no processor time.
fn judge_blocked() -> usize {
    const WAIT: Duration = Duration::from_millis(200);
    let least = |measure: fn(Duration) -> Duration| (0..3).map(|_| measure(WAIT)).min().expect("three times");
    let mut missed = 0;
    println!("\nprocessor time of a thread that is blocked for {WAIT:?}");
    for (name, measure) in [
        (
            "WakerSlot",
            threads::blocked_processor_time::<WakerSlot> as fn(Duration) -> Duration,
        ),
        ("WakerQueue", threads::blocked_processor_time::<WakerQueue>),
        ("Park", threads::blocked_processor_time::<Park>),
    ] {
        let time = least(measure);
        let is_met = time < WAIT / 200;
        missed += usize::from(!is_met);
        println!(
            "  {name:<30} {time:>12.1?}   target {}: less than {:?}",
            verdict(is_met),
            WAIT / 200
        );
    }
    missed
}
