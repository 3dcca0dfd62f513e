//! Colours. Peak and RMS differ in lightness too, and blue against vermilion is told apart by the colour-blind (Okabe and
//! Ito, "Color Universal Design", 2008).

use super::shape::Role;

/// Which colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    Light,
    Dark,
}

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

impl Theme {
    pub(super) const fn colour(self, role: Role) -> Rgb {
        match (self, role) {
            (Theme::Light, Role::Ground) => [252, 252, 250],
            (Theme::Light, Role::Lane) => [241, 243, 246],
            (Theme::Light, Role::Grid) => [219, 223, 229],
            (Theme::Light, Role::Axis) => [164, 171, 182],
            (Theme::Light, Role::Ink) => [35, 38, 45],
            (Theme::Light, Role::Muted) => [92, 99, 112],
            (Theme::Light, Role::Peak) => [126, 178, 217],
            (Theme::Light, Role::Rms) => [0, 98, 160],
            (Theme::Light, Role::Clip) => [213, 64, 0],
            (Theme::Light, Role::Gap) => [200, 128, 0],
            (Theme::Dark, Role::Ground) => [19, 22, 27],
            (Theme::Dark, Role::Lane) => [28, 32, 39],
            (Theme::Dark, Role::Grid) => [46, 52, 62],
            (Theme::Dark, Role::Axis) => [96, 105, 119],
            (Theme::Dark, Role::Ink) => [232, 235, 240],
            (Theme::Dark, Role::Muted) => [158, 166, 178],
            (Theme::Dark, Role::Peak) => [44, 104, 150],
            (Theme::Dark, Role::Rms) => [112, 192, 240],
            (Theme::Dark, Role::Clip) => [255, 112, 67],
            (Theme::Dark, Role::Gap) => [240, 178, 41],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast of two colours (WCAG 2.1, "relative luminance" and "contrast ratio").
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |colour: Rgb| {
            let linear = colour.map(|part| {
                let part = f64::from(part) / 255.0;
                if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn words_can_be_read_and_what_is_drawn_stands_out() {
        for theme in [Theme::Light, Theme::Dark] {
            for (role, behind, least) in [
                (Role::Ink, Role::Ground, 7.0),
                (Role::Muted, Role::Ground, 4.5),
                (Role::Rms, Role::Lane, 4.5),
                (Role::Rms, Role::Peak, 2.5),
                (Role::Peak, Role::Lane, 1.8),
                (Role::Clip, Role::Lane, 3.0),
                (Role::Gap, Role::Lane, 2.5),
            ] {
                let is = contrast(theme.colour(role), theme.colour(behind));
                assert!(is >= least, "{theme:?}: {role:?} on {behind:?}: {is:.2}, expected {least}");
            }
        }
    }
}
