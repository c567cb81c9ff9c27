//! Runs one entrant for a number of rounds, for callgrind to count: `instructions GROUP ENTRANT ROUNDS`. Without
//! arguments it lists the entrants that run on one thread, whose counts are the same each time.

use ref_channel_benches::groups;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let groups = groups();
    let [group, entrant, rounds] = &arguments[..] else {
        for group in groups.iter().filter(|group| group.name.starts_with("round_trip/")) {
            for entrant in &group.entrants {
                println!("{}\t{}", group.name, entrant.name);
            }
        }
        return;
    };
    let group = groups.iter().find(|known| known.name == *group).expect("the group");
    let entrant = group.entrants.iter().find(|known| known.name == *entrant);
    let rounds = rounds.parse().expect("a number of rounds");
    (entrant.expect("the entrant").run)(rounds);
}
