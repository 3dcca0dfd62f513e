//! A picture as SVG: words as words, colours as classes, so that it follows a viewer's light or dark theme.

use std::fmt::Write as _;

use super::shape::{Anchor, Picture, Role, Shape, Size, TextMetrics};
use super::theme::Theme;

/// In the fonts that viewers have; measured generously.
pub(super) const METRICS: TextMetrics = TextMetrics { title_advance: 11.0, label_advance: 7.0, label_height: 9.0 };

/// Which colours the picture has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SvgTheme {
    /// Light ones, and dark ones where the viewer wants those.
    Viewers,
    Fixed(Theme),
}

/// Writes a picture as an SVG document.
pub(super) fn write_svg(picture: &Picture, theme: SvgTheme) -> String {
    let (width, height) = (picture.width, picture.height);
    let mut svg = String::with_capacity(1 << 16);
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>{}</title>",
        escaped(&picture.description)
    );
    svg.push_str(&style(theme));
    for role in gap_roles(picture) {
        // Slanted lines, 8 pixels apart.
        let _ = writeln!(
            svg,
            "<defs><pattern id=\"{id}s\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect class=\"{id}\" width=\"2.5\" height=\"8\"/></pattern></defs>",
            id = class(role)
        );
    }
    picture.shapes.iter().for_each(|shape| push_shape(&mut svg, shape));
    svg.push_str("</svg>\n");
    svg
}

fn gap_roles(picture: &Picture) -> Vec<Role> {
    let hatches =
        picture.shapes.iter().filter_map(|s| if let Shape::Hatch { role, .. } = s { Some(*role) } else { None });
    let mut roles: Vec<Role> = hatches.collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

const ROLES: [Role; 10] = [
    Role::Ground,
    Role::Lane,
    Role::Grid,
    Role::Axis,
    Role::Ink,
    Role::Muted,
    Role::Peak,
    Role::Rms,
    Role::Clip,
    Role::Gap,
];

const fn class(role: Role) -> &'static str {
    match role {
        Role::Ground => "ground",
        Role::Lane => "lane",
        Role::Grid => "grid",
        Role::Axis => "axis",
        Role::Ink => "ink",
        Role::Muted => "muted",
        Role::Peak => "peak",
        Role::Rms => "rms",
        Role::Clip => "clip",
        Role::Gap => "gap",
    }
}

fn style(theme: SvgTheme) -> String {
    let rules = |theme: Theme| -> String {
        let rule = |role: &Role| {
            let [red, green, blue] = theme.colour(*role);
            format!(".{}{{fill:#{red:02x}{green:02x}{blue:02x}}}", class(*role))
        };
        ROLES.iter().map(rule).collect()
    };
    let text = "text{font-family:system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;font-size:12.5px}\
                .title{font-size:18px;font-weight:600}";
    match theme {
        SvgTheme::Fixed(theme) => format!("<style>{text}{}</style>\n", rules(theme)),
        SvgTheme::Viewers => format!(
            "<style>{text}{}@media (prefers-color-scheme:dark){{{}}}</style>\n",
            rules(Theme::Light),
            rules(Theme::Dark)
        ),
    }
}

fn push_shape(svg: &mut String, shape: &Shape) {
    // Writing to a string does not fail.
    let _ = match shape {
        Shape::Rect { x, y, width, height, role } => writeln!(
            svg,
            "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            class(*role),
            number(*x),
            number(*y),
            number(*width),
            number(*height)
        ),
        Shape::Hatch { x, y, width, height, role, note } => {
            let place = format!(
                "x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
                number(*x),
                number(*y),
                number(*width),
                number(*height)
            );
            writeln!(
                svg,
                "<g><title>{}</title><rect class=\"{id}\" fill-opacity=\"0.22\" {place}/>\
                 <rect style=\"fill:url(#{id}s)\" {place}/></g>",
                escaped(note),
                id = class(*role)
            )
        }
        Shape::Band { x, columns, role } => {
            svg.push_str("<path class=\"");
            svg.push_str(class(*role));
            svg.push_str("\" d=\"");
            push_outline(svg, *x, columns);
            svg.push_str("\"/>\n");
            Ok(())
        }
        Shape::Text { x, y, text, anchor, size, role } => {
            let anchor = match anchor {
                Anchor::Left => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::Right => " text-anchor=\"end\"",
            };
            let title = if *size == Size::Title { " title" } else { "" };
            let (x, y) = (number(*x), number(*y));
            writeln!(
                svg,
                "<text class=\"{}{title}\" x=\"{x}\" y=\"{y}\"{anchor}>{}</text>",
                class(*role),
                escaped(text)
            )
        }
    };
}

/// The band's outline: its upper edge from left to right, its lower one back.
fn push_outline(svg: &mut String, x: f64, columns: &[(f64, f64)]) {
    let mut command = 'M';
    let mut push = |x: f64, y: f64| {
        svg.push(command);
        svg.push_str(&number(x));
        svg.push(' ');
        svg.push_str(&number(y));
        command = 'L';
    };
    if let (Some(first), Some(last)) = (columns.first(), columns.last()) {
        let middle = |n: usize| x + n as f64 + 0.5;
        push(x, first.0);
        columns.iter().enumerate().for_each(|(n, column)| push(middle(n), column.0));
        push(x + columns.len() as f64, last.0);
        push(x + columns.len() as f64, last.1);
        columns.iter().enumerate().rev().for_each(|(n, column)| push(middle(n), column.1));
        push(x, first.1);
        svg.push('Z');
    }
}

/// A tenth of a pixel is enough.
fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    if tenths % 10 == 0 { (tenths / 10).to_string() } else { format!("{:.1}", tenths as f64 / 10.0) }
}

/// Text as XML takes it: control characters have no place in it at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_escaped_and_numbers_short() {
        assert_eq!(escaped("a<b>&\"\u{1}ü"), "a&lt;b&gt;&amp;&quot;\u{fffd}ü");
        assert_eq!((number(3.0), number(2.25), number(-0.04)), ("3".to_owned(), "2.3".to_owned(), "0".to_owned()));
    }

    #[test]
    fn a_band_goes_there_and_back() {
        let band = Shape::Band { x: 10.0, columns: vec![(1.0, 2.0), (0.0, 3.5)], role: Role::Peak };
        let picture = Picture { width: 20, height: 5, description: "x".to_owned(), shapes: vec![band] };
        let svg = write_svg(&picture, SvgTheme::Viewers);
        let path = "M10 1L10.5 1L11.5 0L12 0L12 3.5L11.5 3.5L10.5 2L10 2Z";
        assert!(svg.contains(path) && svg.contains("prefers-color-scheme:dark"), "{svg}");
        assert!(!write_svg(&picture, SvgTheme::Fixed(Theme::Dark)).contains("@media"));
    }
}
