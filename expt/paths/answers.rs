//! Answers the questions of the published exercise with the numbers of the run.

use llc::landscape::Scores;
use llc::report::paths::{Answer, Point};
use llc::words::{counted, with_error};

use super::Found;
use super::points::{Mode, Segments, profile};

/// Questions, in a word or two, and answers, in a sentence; as far as the run came.
pub fn answers(found: &Found, num_test: usize) -> Vec<Answer> {
    let between = |mode: Mode| found.segments.iter().filter(move |segment| segment.mode == mode).collect::<Vec<_>>();
    let answers = [
        ("barrier", barrier(&between(Mode::Minima))),
        ("start to end", regular(&between(Mode::OwnInit), "A training's start and its own end")),
        ("other start", regular(&between(Mode::OtherInit), "A training's start and another's end")),
        ("starts", regular(&between(Mode::Inits), "Two starts")),
        ("curve", curve(found, num_test)),
        ("train and test", train_and_test(found, num_test)),
        ("coefficient", coefficient(&found.estimates)),
    ];
    let answered = answers.into_iter().filter_map(|(question, answer)| Some((question, answer?)));
    answered.map(|(question, answer)| Answer { question: question.to_owned(), answer }).collect()
}

/// The barriers along `segments`.
fn barriers(segments: &[&Segments], quantity: fn(&Scores) -> f64) -> Vec<f64> {
    segments.iter().map(|segment| along(segment, quantity).barrier).collect()
}

fn along(segment: &Segments, quantity: fn(&Scores) -> f64) -> llc::landscape::Profile {
    let steps: Vec<f64> = segment.t.windows(2).map(|pair| pair[1] - pair[0]).collect();
    profile(&segment.t, &segment.scores, &steps, quantity)
}

/// A mean, with its standard error where there are several.
fn mean(values: &[f64], digits: usize) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    match values.len() {
        1 => format!("{mean:.digits$}"),
        _ => format!("{} (pairs share minima)", with_error(mean, (variance / n).sqrt(), digits)),
    }
}

fn barrier(segments: &[&Segments]) -> Option<String> {
    let first = segments.first()?;
    let loss = along(first, |at| at.train_loss);
    let heights = barriers(segments, |at| at.train_loss);
    let in_test = barriers(segments, |at| at.test_loss);
    let error = along(first, |at| 1.0 - at.test_accuracy);
    Some(format!(
        "Between minima the training loss rises by {} above the higher one, the test loss by {}; between the first \
         two it is highest at t = {:.2}, with {:.1} % of the test images wrong.",
        mean(&heights, 3),
        mean(&in_test, 3),
        first.t[loss.argmax],
        100.0 * error.max
    ))
}

/// Whether the loss is monotone on the segments between `what`.
fn regular(segments: &[&Segments], what: &str) -> Option<String> {
    let first = segments.first()?;
    let profiles: Vec<_> = segments.iter().map(|segment| along(segment, |at| at.train_loss)).collect();
    let num_monotone = profiles.iter().filter(|profile| profile.is_monotone).count();
    let turns = match profiles.iter().map(|profile| profile.turns).collect::<Option<Vec<_>>>() {
        Some(turns) => format!("with at most {}", counted(turns.into_iter().max().unwrap_or(0), "turn")),
        None => "and somewhere not finite".to_owned(),
    };
    let heights = barriers(segments, |at| at.train_loss);
    let beyond = first.scores.last().filter(|_| first.t.last() > Some(&1.0));
    let beyond = beyond.map_or(String::new(), |at| {
        format!(" At t = {:.2}, beyond the minimum, it is {:.3}.", first.t[first.t.len() - 1], at.train_loss)
    });
    Some(format!(
        "{what}: the training loss is monotone on {num_monotone} of {}, {turns}; the barrier is {}.{beyond}",
        counted(segments.len(), "segment"),
        mean(&heights, 3)
    ))
}

fn curve(found: &Found, num_test: usize) -> Option<String> {
    let walk = found.walk.as_ref()?;
    let loss = profile(&walk.t, &walk.scores, &walk.steps, |at| at.train_loss);
    let error = profile(&walk.t, &walk.scores, &walk.steps, |at| 1.0 - at.test_accuracy);
    let segment = found.segments.iter().find(|segment| segment.mode == Mode::Minima);
    let against = segment
        .map_or(String::new(), |segment| format!(" (on the segment {:.4})", along(segment, |at| at.train_loss).max));
    let sampling = (error.max * (1.0 - error.max) / num_test as f64).sqrt();
    Some(format!(
        "Along the fitted curve the training loss is at most {:.4}{against}, {:.4} above the higher end, on average {:.4} by length; the test \
         error is at most {} %.",
        loss.max,
        loss.barrier,
        loss.integral,
        with_error(100.0 * error.max, 100.0 * sampling, 2)
    ))
}

/// How far apart training and test are at the minima, on the segment's top and along the curve.
fn train_and_test(found: &Found, num_test: usize) -> Option<String> {
    let segment = found.segments.iter().find(|segment| segment.mode == Mode::Minima)?;
    let top = &segment.scores[along(segment, |at| at.train_loss).argmax];
    let end = segment.scores.iter().zip(&segment.t).find(|(_, t)| **t == 1.0)?.0;
    let gap = |at: &Scores| at.test_loss - at.train_loss;
    let in_curve = found.walk.as_ref().map_or(String::new(), |walk| {
        let gaps = walk.scores[..walk.num_within].iter().map(gap);
        let (least, most) = gaps.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), gap| (a.min(gap), b.max(gap)));
        format!(", and between {least:.3} and {most:.3} along the curve")
    });
    Some(format!(
        "Test loss less training loss is {} at minimum 0, {} on the segment's top{in_curve} (standard errors over {}).",
        with_error(gap(end), end.test_loss_error, 3),
        with_error(gap(top), top.test_loss_error, 3),
        counted(num_test, "test image")
    ))
}

/// λ̂ at both ends and its extremes; of a run that was interrupted, as far as it came.
fn coefficient(estimates: &[Point]) -> Option<String> {
    let [first, .., last] = estimates else { return None };
    let shown = |point: &Point| {
        let llc = Some(&point.estimate.llc).filter(|llc| llc.mean.is_finite())?;
        Some(with_error(llc.mean, llc.mcse, 2))
    };
    let by_llc = |a: &&Point, b: &&Point| a.estimate.llc.mean.total_cmp(&b.estimate.llc.mean);
    let (least, most) = (estimates.iter().min_by(by_llc)?, estimates.iter().max_by(by_llc)?);
    Some(format!(
        "λ̂ is {} at t = {:.2} and {} at t = {:.2}; between them it ranges from {} (t = {:.2}) to {} (t = {:.2}).",
        shown(first)?,
        first.t,
        shown(last)?,
        last.t,
        shown(least)?,
        least.t,
        shown(most)?,
        most.t
    ))
}

#[cfg(test)]
mod tests {
    use llc::report::Report;
    use llc::report::paths::Paths;

    use super::*;

    #[test]
    fn the_coefficient_of_an_interrupted_run_is_reported_where_it_is() {
        let path = format!("{}/tests/fixtures/records/80/report.json", env!("CARGO_MANIFEST_DIR"));
        let report: Report<Paths> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let recorded = report.found.estimates.unwrap().points.remove(0);
        let at = |t: f64, llc: f64| {
            let mut point = Point { t, ..recorded.clone() };
            [point.estimate.llc.mean, point.estimate.llc.mcse] = [llc, 0.5];
            point
        };
        let answer = coefficient(&[at(0.0, 3.0), at(0.25, 5.0), at(0.5, 4.0)]).unwrap();
        assert_eq!(
            answer,
            "λ̂ is 3.00 ± 0.50 at t = 0.00 and 4.00 ± 0.50 at t = 0.50; between them it ranges from 3.00 ± 0.50 (t = \
             0.00) to 5.00 ± 0.50 (t = 0.25)."
        );
        assert_eq!(coefficient(&[at(0.0, 3.0)]), None);
    }
}
