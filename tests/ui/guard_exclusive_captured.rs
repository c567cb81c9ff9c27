//! The same of exclusive guards.
#![forbid(unsafe_code)]

use ref_channel::RefMutGuard;

fn map<'b>(guard: RefMutGuard<'b, ()>) -> RefMutGuard<'b, str> {
    let mut text = String::from("text");
    let mut short: &mut str = &mut text;
    let part: RefMutGuard<'b, &mut str> = RefMutGuard::map(guard, |_| &mut short);
    RefMutGuard::map(part, |part: &mut &mut str| &mut **part)
}

fn filter_map<'b>(guard: RefMutGuard<'b, ()>) -> RefMutGuard<'b, str> {
    let mut text = String::from("text");
    let mut short: &mut str = &mut text;
    let part: RefMutGuard<'b, &mut str> = RefMutGuard::filter_map(guard, |_| Some(&mut short)).unwrap();
    RefMutGuard::map(part, |part: &mut &mut str| &mut **part)
}

fn map_split<'b>(guard: RefMutGuard<'b, ()>) -> RefMutGuard<'b, str> {
    let mut text = String::from("text");
    let mut short: &mut str = &mut text;
    let (part, _): (RefMutGuard<'b, &mut str>, RefMutGuard<'b, ()>) =
        RefMutGuard::map_split(guard, |unit| (&mut short, unit));
    RefMutGuard::map(part, |part: &mut &mut str| &mut **part)
}

fn main() {}
