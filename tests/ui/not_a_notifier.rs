//! A type that is no notifier.

use ref_channel::RefMutChannel;

fn main() {}

struct Bell;

static CHANNEL: RefMutChannel<u32, Bell> = RefMutChannel::new();
