//! A guard is not mapped to a reference that its closure had captured, and that the guard would outlive (RUSTSEC-2022-0040).
#![forbid(unsafe_code)]

use ref_channel::RefGuard;

fn map<'b>(guard: RefGuard<'b, ()>) -> RefGuard<'b, str> {
    let text = String::from("text");
    let short: &str = &text;
    let part: RefGuard<'b, &str> = RefGuard::map(guard, |_| &short);
    RefGuard::map(part, |part: &&str| *part)
}

fn filter_map<'b>(guard: RefGuard<'b, ()>) -> RefGuard<'b, str> {
    let text = String::from("text");
    let short: &str = &text;
    let part: RefGuard<'b, &str> = RefGuard::filter_map(guard, |_| Some(&short)).unwrap();
    RefGuard::map(part, |part: &&str| *part)
}

fn map_split<'b>(guard: RefGuard<'b, ()>) -> RefGuard<'b, str> {
    let text = String::from("text");
    let short: &str = &text;
    let (part, _): (RefGuard<'b, &str>, RefGuard<'b, ()>) = RefGuard::map_split(guard, |unit| (&short, unit));
    RefGuard::map(part, |part: &&str| *part)
}

fn main() {}
