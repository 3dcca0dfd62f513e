//! What a device complains about, said once and then now and again: storms are counted, not logged. Keeps no device.

use ra_device::DeviceEvent;

/// Looks between two words on what goes on and on: a minute.
const LOOKS_BETWEEN_WORDS: u32 = 600;

/// Complaints since the last word.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    xruns: u64,
    errors: u64,
    looks_until_next: u32,
}

impl Troubles {
    /// A tenth of a second has passed; returns what is to be logged.
    pub(super) fn look(&mut self, events: Vec<DeviceEvent>) -> Vec<String> {
        let mut words = Vec::new();
        for event in events {
            match event {
                DeviceEvent::XrunSeen { n } => self.xruns += n,
                DeviceEvent::ErrorsSeen { n } => self.errors += n,
                // Who looks after the device says so.
                DeviceEvent::Lost { .. } => {}
                DeviceEvent::Rerouted => words.push("plays on another device now: the default one has changed".into()),
                DeviceEvent::RealtimeDenied => words.push("the sound system refused real-time scheduling".into()),
                other => words.push(format!("{other:?}")),
            }
        }
        self.looks_until_next = self.looks_until_next.saturating_sub(1);
        if self.looks_until_next == 0 && self.xruns + self.errors > 0 {
            let Self { xruns, errors, .. } = std::mem::take(self);
            words.push(format!("the sound system reported {xruns} xruns and {errors} other errors"));
            self.looks_until_next = LOOKS_BETWEEN_WORDS;
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_a_word_a_minute() {
        let mut troubles = Troubles::default();
        let n_words: usize = (0..1_200)
            .map(|_| troubles.look(vec![DeviceEvent::ErrorsSeen { n: 60_000 }, DeviceEvent::XrunSeen { n: 1 }]).len())
            .sum();
        assert_eq!(n_words, 2);
        let words = (0..600).flat_map(|_| troubles.look(vec![])).collect::<Vec<_>>();
        assert_eq!(words, ["the sound system reported 599 xruns and 35940000 other errors"], "none is forgotten");
        assert_eq!(troubles.look(vec![DeviceEvent::RealtimeDenied, DeviceEvent::Rerouted]).len(), 2);
    }
}
