//! Draws small potentials (`llc toy`): λ̂ by every sampler against the exact value at the same nβ and γ, and over nβ.

use std::collections::BTreeMap;

use llc::report::read;
use llc::report::toy::{self, Toys};
use llc::theory::Toy;

use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::estimate::Estimate;

pub const AGAINST_EXACT: Figure = Figure {
    name: "toy",
    summary: "λ̂ of small potentials by every sampler against the exact value at the same nβ, and the error of each",
    shows_single_runs: false,
    draw: draw_against_exact,
};

pub const AGAINST_N: Figure = Figure {
    name: "toy-against-n",
    summary: "λ̂ of small potentials over nβ, with the exact curve and the λ that it approaches",
    shows_single_runs: false,
    draw: draw_against_n,
};

/// One potential by one sampler, at one nβ and γ.
struct At {
    run_dir: String,
    toy: Toy,
    sampler: String,
    n_beta: f64,
    gamma: f64,
    lambda: f64,
    exact: f64,
    estimate: Estimate,
    z: f64,
}

fn points(input: &Input) -> Result<Vec<At>, NoData> {
    let mut found = Vec::new();
    for run in input.runs {
        let Some(toys) = read::found::<Toys>(run.report.as_ref(), "toy") else { continue };
        let read = |point: &toy::Point| {
            let compared = point.compared()?;
            Some(At {
                run_dir: run.path.display().to_string(),
                toy: Toy::from_name(&point.potential)?,
                sampler: point.sampler.clone(),
                n_beta: compared.estimate.n_beta,
                gamma: compared.estimate.gamma,
                lambda: point.lambda_true,
                exact: point.llc_exact,
                estimate: Estimate::of(&compared.estimate.llc, compared.estimate.judgement.verdict)?,
                z: compared.z,
            })
        };
        found.extend(toys.points.iter().filter_map(read));
    }
    if found.is_empty() { Err(NoData::of("a comparison of potentials (llc toy)")) } else { Ok(found) }
}

/// The samplers, each with its colour.
fn paints(points: &[At]) -> BTreeMap<&str, Paint> {
    let names: BTreeMap<&str, ()> = points.iter().map(|at| (at.sampler.as_str(), ())).collect();
    names.into_keys().enumerate().map(|(i, name)| (name, Paint::Series(i))).collect()
}

fn keys(paints: &BTreeMap<&str, Paint>) -> Vec<Key> {
    paints.iter().map(|(name, &paint)| Key::Point(Shape::Disc, paint, (*name).to_owned())).collect()
}

fn table(points: &[At]) -> Table {
    let columns = [
        "run_dir",
        "potential",
        "sampler",
        "n_beta",
        "gamma",
        "lambda_true",
        "llc_exact",
        "llc",
        "ci90_low",
        "ci90_high",
        "z",
    ];
    let mut table = Table::new(columns);
    for at in points {
        let end = |i: usize| cell(at.estimate.interval.map(|ends| ends[i]));
        table.push([
            at.run_dir.clone(),
            at.toy.name().to_owned(),
            at.sampler.clone(),
            cell(at.n_beta),
            cell(at.gamma),
            cell(at.lambda),
            cell(at.exact),
            cell(at.estimate.llc),
            end(0),
            end(1),
            cell(at.z),
        ]);
    }
    table
}

fn draw_against_exact(input: &Input) -> Result<Drawing, NoData> {
    let points = points(input)?;
    let paints = paints(&points);
    // A place for each potential at each nβ and γ.
    let mut places: Vec<(Toy, f64, f64)> = Vec::new();
    for at in &points {
        let place = (at.toy, at.n_beta, at.gamma);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let several = |pick: fn(&(Toy, f64, f64)) -> f64, toy: Toy| {
        let mut values = places.iter().filter(|place| place.0 == toy).map(pick);
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    let name = |place: &(Toy, f64, f64)| {
        let (toy, n_beta, gamma) = *place;
        let n_beta = if several(|place| place.1, toy) { format!(" nβ {n_beta:.3e}") } else { String::new() };
        let gamma = if several(|place| place.2, toy) { format!(" γ {gamma}") } else { String::new() };
        format!("{}{n_beta}{gamma}", toy.name())
    };
    let names: Vec<String> = places.iter().rev().map(name).collect();
    let last = places.len() - 1;
    let (mut values, mut errors, mut exact, mut lambdas) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for at in &points {
        let Some(place) = places.iter().position(|place| *place == (at.toy, at.n_beta, at.gamma)) else { continue };
        let order = paints.keys().position(|name| *name == at.sampler).unwrap_or(0) as f64;
        // Samplers above each other, from 0.3 above to 0.3 below the middle.
        let y = (last - place) as f64 + 0.3 - 0.6 * order / (paints.len().max(2) - 1) as f64;
        let paint = paints[at.sampler.as_str()];
        let off = |llc: f64| 100.0 * (llc / at.exact - 1.0);
        values.push(Point { interval_x: at.estimate.interval, ..Point::new(at.estimate.llc, y, paint) });
        errors.push(Point {
            interval_x: at.estimate.interval.map(|ends| ends.map(off)),
            ..Point::new(off(at.estimate.llc), y, paint)
        });
        let tick = |x: f64| vec![[x, (last - place) as f64 - 0.42], [x, (last - place) as f64 + 0.42]];
        exact.push(Mark::line(tick(at.exact), Paint::Ink));
        lambdas.push(Mark::Line {
            points: tick(at.lambda),
            paint: Paint::Muted,
            width: 1.4,
            dashes: "3 3",
            opacity: 1.0,
            label: None,
        });
    }
    let categories = || Axis::categories("", names.clone());
    let first = lambdas.into_iter().chain(exact).chain([Mark::Points { points: values, radius: 3.0 }]).collect();
    let second = vec![Mark::AtX { x: 0.0, label: String::new() }, Mark::Points { points: errors, radius: 3.0 }];
    let mut keys = keys(&paints);
    keys.push(Key::Line(Paint::Ink, "", "exact at this nβ and γ".to_owned()));
    keys.push(Key::Line(Paint::Muted, "3 3", "λ".to_owned()));
    Ok(Drawing {
        title: "λ̂ of small potentials against exact values".to_owned(),
        caption: format!("{}; lines: 90 % intervals of the sampling error.", counted(points.len(), "estimate")),
        keys,
        panels: vec![
            Panel::new(Axis::linear("λ̂").including(0.0), categories(), first).titled("λ̂, its exact value, and λ"),
            Panel::new(Axis::linear("error, % of the exact value"), categories(), second).titled("error"),
        ],
        columns: 2,
        panel_size: [300.0, 40.0 + 36.0 * places.len() as f64],
        table: table(&points),
    })
}

/// From one sampler's points to the next one's at the same nβ, as a share of the axis.
const APART: f64 = 0.012;
/// Points of an exact curve.
const CURVE: usize = 60;

fn draw_against_n(input: &Input) -> Result<Drawing, NoData> {
    let points = points(input)?;
    let has_several = |toy: &Toy| {
        let mut values = points.iter().filter(|at| at.toy == *toy).map(|at| at.n_beta);
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    let toys: Vec<Toy> = Toy::ALL.into_iter().filter(has_several).collect();
    if toys.is_empty() {
        return Err(NoData("none of the runs has a potential at several n (llc toy --n 1e3,1e5,1e7)".to_owned()));
    }
    let points: Vec<At> = points.into_iter().filter(|at| toys.contains(&at.toy)).collect();
    let paints = paints(&points);
    let panel = |&toy: &Toy| {
        let own: Vec<&At> = points.iter().filter(|at| at.toy == toy).collect();
        let ends = |at: &&At| at.n_beta;
        let (low, high) =
            own.iter().map(ends).fold((f64::INFINITY, 0.0_f64), |(low, high), n| (low.min(n), high.max(n)));
        let mut gammas: Vec<f64> = own.iter().map(|at| at.gamma).collect();
        gammas.sort_by(f64::total_cmp);
        gammas.dedup();
        let lambda = own.first().map_or(f64::NAN, |at| at.lambda);
        let mut marks = vec![Mark::AtY { y: lambda, label: format!("λ = {}", toy.learning_coefficient()) }];
        for gamma in gammas {
            let at = |i: usize| low * (high / low).powf(i as f64 / (CURVE - 1) as f64);
            // What the record could be drawn from has an exact value.
            let value = |n_beta: f64| toy.scaled_loss_mean(n_beta, gamma).unwrap_or(f64::NAN);
            let curve = (0..CURVE).map(|i| [at(i), value(at(i))]).collect();
            marks.push(Mark::line(curve, Paint::Ink));
        }
        // Samplers side by side, a little apart.
        let place = |at: &At| {
            let order = paints.keys().position(|name| *name == at.sampler).unwrap_or(0) as f64;
            at.n_beta * (high / low).powf(APART * (order - 0.5 * (paints.len() - 1) as f64))
        };
        let shown = |at: &&At| Point {
            interval_y: at.estimate.interval,
            ..Point::new(place(at), at.estimate.llc, paints[at.sampler.as_str()])
        };
        marks.push(Mark::Points { points: own.iter().map(shown).collect(), radius: 3.2 });
        Panel::new(Axis::log("nβ"), Axis::linear("λ̂").including(0.0).including(1.1 * lambda), marks).titled(toy.name())
    };
    let mut keys = keys(&paints);
    keys.push(Key::Line(Paint::Ink, "", "exact at the same γ".to_owned()));
    Ok(Drawing {
        title: "λ̂ of small potentials over nβ".to_owned(),
        caption:
            "Lines: 90 % intervals of the sampling error. With multiplicity m, λ̂ is below λ by about (m − 1)/ln nβ."
                .to_owned(),
        keys,
        panels: toys.iter().map(panel).collect(),
        columns: toys.len().min(3),
        panel_size: [260.0, 210.0],
        table: table(&points),
    })
}
