//! The picture of `docs/verdict.md`: the evidence while reads are balanced, while one replica of three gets none, and
//! afterwards.

use std::fmt::Write as _;

use readscope::model::evidence::Detector;

use crate::{delay::rules, random::Random, reads::Law};

const SECONDS: usize = 600;
/// From when to when a replica gets no reads.
const DEAD: (usize, usize) = (300, 400);
const THRESHOLD: f64 = 30.0 * 86_400.0;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
/// The decades that are shown.
const DECADES: (i32, i32) = (0, 10);

/// One answer a second, evidence on a logarithmic scale.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
pub(crate) fn svg() -> String {
    let (even, dead) = (Law::even(3), Law::of(&[1.0, 1.0, 0.0]));
    let mut random = Random::seeded(7);
    let mut detector = Detector::new(rules(THRESHOLD, 0.02), &[1.0; 3]);
    let across = |second: usize| LEFT + second as f64 / SECONDS as f64 * (WIDTH - LEFT - 10.0);
    let decades = f64::from(DECADES.1 - DECADES.0);
    let up = |evidence: f64| {
        let decade = (evidence.max(1.0).log10() - f64::from(DECADES.0)).clamp(0.0, decades);
        HEIGHT - 30.0 - decade / decades * (HEIGHT - 50.0)
    };
    let mut line = String::new();
    let mut alarm = (None, None);
    for second in 0..SECONDS {
        let law = if (DEAD.0..DEAD.1).contains(&second) { &dead } else { &even };
        detector.observe(law.draw(&mut random), 1.0);
        write!(line, "{:.1},{:.1} ", across(second), up(detector.evidence_seconds())).unwrap();
        match (detector.alarm(), alarm) {
            (true, (None, _)) => alarm.0 = Some(second),
            (false, (Some(_), None)) => alarm.1 = Some(second),
            _ => {}
        }
    }
    let (from, to) = (alarm.0.unwrap(), alarm.1.unwrap());
    let words = |x: f64, y: f64, text: &str| format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n");
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<title>Evidence of unbalanced reads while one replica of three gets none for 100 \
         seconds</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    writeln!(
        picture,
        "<rect x=\"{:.1}\" y=\"20\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#fbe3d6\"/>",
        across(DEAD.0),
        across(DEAD.1) - across(DEAD.0),
        HEIGHT - 50.0
    )
    .unwrap();
    for (evidence, name) in [(60.0, "1 minute"), (3600.0, "1 hour"), (86_400.0, "1 day"), (THRESHOLD, "30 days")] {
        let y = up(evidence);
        let (stroke, dash) = if evidence < THRESHOLD { ("#ddd", "none") } else { ("#b00020", "4 3") };
        writeln!(
            picture,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{stroke}\" stroke-dasharray=\"{dash}\"/>",
            WIDTH - 10.0
        )
        .unwrap();
        picture += &words(4.0, y + 4.0, name);
    }
    writeln!(
        picture,
        "<polyline fill=\"none\" stroke=\"#0b57a4\" stroke-width=\"1.5\" points=\"{}\"/>",
        line.trim_end()
    )
    .unwrap();
    picture += &words(across(DEAD.0) + 4.0, 14.0, "one of three replicas gets no reads");
    picture += &words(LEFT, HEIGHT - 8.0, "balanced");
    let after = format!("alarm after {} reads, cleared {} reads after its cause", from + 1 - DEAD.0, to + 1 - DEAD.1);
    picture += &words(across(DEAD.0), HEIGHT - 8.0, &after);
    picture + "</svg>\n"
}
