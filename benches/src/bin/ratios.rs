//! How many times as long as this crate each peer takes: measured in turn, ours, peer, ours, peer, in short runs, for
//! on a machine that others use only what was measured at the same time can be compared.
//!
//! `ratios [--json FILE] [--pairs N] [GROUP-PREFIX...]`

use std::fmt::Write as _;
use std::time::Duration;

use ref_channel_benches::entrant::{Entrant, Group, Role, Run};
use ref_channel_benches::round_trip;

/// How long one run takes, about.
const RUN: Duration = Duration::from_millis(15);

fn main() {
    let options = Options::from_arguments();
    let mut json = String::new();
    let mut missed = 0;
    for group in groups().iter().filter(|group| options.is_wanted(&group.name)) {
        let results = measure(group, options.pairs);
        print(group, &results);
        missed += judge(group, &results);
        for result in &results {
            result.write_json(&group.name, &mut json);
        }
    }
    if let Some(path) = options.json {
        std::fs::write(path, json).expect("the file can be written");
    }
    println!("\n{missed} targets missed");
}

fn groups() -> Vec<Group> {
    round_trip::groups()
}

struct Options {
    json: Option<String>,
    pairs: usize,
    prefixes: Vec<String>,
}

impl Options {
    fn from_arguments() -> Self {
        let mut options = Self {
            json: None,
            pairs: 25,
            prefixes: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("the option has a value");
            match argument.as_str() {
                "--json" => options.json = Some(value()),
                "--pairs" => options.pairs = value().parse().expect("a number"),
                _ => options.prefixes.push(argument),
            }
        }
        options
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
        let (time, Quartiles { low, median, high }) = (self.nanoseconds.median, self.ratio);
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
    low: f64,
    median: f64,
    high: f64,
}

impl Quartiles {
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |part: f64| samples[((samples.len() - 1) as f64 * part).round() as usize];
        Self {
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }
}

/// How many rounds take about as long as a run.
fn rounds(run: Run) -> u64 {
    let mut rounds = 1;
    loop {
        let time = run(rounds);
        if time >= RUN / 4 {
            return ((rounds as f64 * RUN.as_secs_f64() / time.as_secs_f64()) as u64).max(1);
        }
        rounds *= 2;
    }
}

fn nanoseconds(run: Run, rounds: u64) -> f64 {
    run(rounds).as_nanos() as f64 / rounds as f64
}

fn measure(group: &Group, pairs: usize) -> Vec<Outcome> {
    let is_ours = |entrant: &&Entrant| entrant.role == Role::Ours;
    let ours = group.entrants.iter().find(is_ours).expect("we take part");
    let our_rounds = rounds(ours.run);
    let outcome = |entrant: &Entrant| {
        let rounds = rounds(entrant.run);
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
    group.entrants.iter().map(outcome).collect()
}

fn print(group: &Group, outcomes: &[Outcome]) {
    println!("\n{:<32} {:>12}   theirs / ours (quartiles)", group.name, "ns a round");
    for outcome in outcomes {
        let (name, time) = (outcome.entrant.name, outcome.nanoseconds.median);
        let Quartiles { low, median, high } = outcome.ratio;
        let note = match outcome.entrant.role {
            Role::Other(why) => format!("   not held against us: {why}"),
            _ => String::new(),
        };
        println!("  {name:<30} {time:>12.1}   {median:>7.2}  ({low:.2} .. {high:.2}){note}");
    }
}

/// What a group has to reach: at least so many times as fast as that.
fn targets(group: &str) -> &'static [(Role, f64)] {
    match group {
        "round_trip/joined" => &[(Role::Peer, 2.0), (Role::Published, 2.2), (Role::Floor, 1.0 / 1.25)],
        _ => &[],
    }
}

/// Says which targets are met, and returns how many are not.
fn judge(group: &Group, outcomes: &[Outcome]) -> usize {
    let mut missed = 0;
    for &(role, least) in targets(&group.name) {
        let in_role = outcomes.iter().filter(|outcome| outcome.entrant.role == role);
        let best = in_role.min_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median));
        let best = best.expect("somebody has that role");
        let (name, ratio) = (best.entrant.name, best.ratio.median);
        let verdict = if ratio >= least { "met" } else { "MISSED" };
        missed += usize::from(ratio < least);
        println!("  target {verdict}: {name} / ours = {ratio:.2}, at least {least:.2}");
    }
    missed
}
