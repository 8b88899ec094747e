//! Reads a function of one variable x, and evaluates it together with its derivative.
//!
//! sum = product { (`+` | `-`) product }, product = factor { \[`*` | `/`\] factor }, factor = { `-` | `+` } power,
//! power = atom \[ (`^` | `**`) factor \], atom = number | `x` | `pi` | `e` | function`(`sum`)` | `(`sum`)` | `|`sum`|`.
//!
//! Factors side by side are multiplied, `-7x - 3`, `2(x + 1)`; a power binds before a sign, −x² = −(x²), and to the right. What people
//! read in two ways (`1/2x`, `x 2`) is refused. The derivative is that of forward differentiation, f(x + ε) = f(x) + f′(x)·ε with ε² = 0:
//! exact but for rounding. |x|′ = 0 at 0, as PyTorch has it. There is nothing but numbers, x and the functions below: no expression can do
//! more than end in a number.
//!
//! No crate is used: those that are kept up read neither `7x` nor −x² as mathematics does (docs/decisions/loss-expressions.md).
//!
//! *Tested by* values and slopes written out, differences of values, and what is refused.

use std::fmt;

use super::LossError;
use crate::words::nearest;

/// The longest text; what is longer is a slip.
const MAX_LEN: usize = 1000;
/// Brackets and signs within one another.
const MAX_DEPTH: usize = 100;

/// A function of x.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    root: Node,
}

/// A value, and how fast it changes with x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jet {
    /// f(x).
    pub value: f64,
    /// f′(x).
    pub slope: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Constant(f64),
    X,
    Negative(Box<Node>),
    Binary(Operator, Box<[Node; 2]>),
    Call(Function, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Power,
}

/// A function of one variable: its value and its derivative.
#[derive(Debug, Clone, Copy)]
struct Function {
    name: &'static str,
    value: fn(f64) -> f64,
    slope: fn(f64) -> f64,
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

const FUNCTIONS: [Function; 13] = [
    Function { name: "abs", value: f64::abs, slope: sign },
    Function { name: "exp", value: f64::exp, slope: f64::exp },
    Function { name: "log", value: f64::ln, slope: f64::recip },
    Function { name: "ln", value: f64::ln, slope: f64::recip },
    Function { name: "log2", value: f64::log2, slope: |x| (x * std::f64::consts::LN_2).recip() },
    Function { name: "log10", value: f64::log10, slope: |x| (x * std::f64::consts::LN_10).recip() },
    Function { name: "sqrt", value: f64::sqrt, slope: |x| 0.5 / x.sqrt() },
    Function { name: "sin", value: f64::sin, slope: f64::cos },
    Function { name: "cos", value: f64::cos, slope: |x| -x.sin() },
    Function { name: "tan", value: f64::tan, slope: |x| x.cos().powi(-2) },
    Function { name: "sinh", value: f64::sinh, slope: f64::cosh },
    Function { name: "cosh", value: f64::cosh, slope: f64::sinh },
    Function { name: "tanh", value: f64::tanh, slope: |x| x.cosh().powi(-2) },
];

/// 0 at 0, where [`f64::signum`] is 1.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

impl Expression {
    /// Reads `text`.
    ///
    /// ```
    /// use llc::loss::Expression;
    /// let f = Expression::parse("-7x - 3")?;
    /// assert_eq!((f.at(-1.0).value, f.at(-1.0).slope), (4.0, -7.0));
    /// assert_eq!(Expression::parse("-x^2")?.at(3.0).value, -9.0);
    /// # Ok::<(), llc::loss::LossError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LossError::Expression`], with the place.
    pub fn parse(text: &str) -> Result<Expression, LossError> {
        let text = text.trim();
        let mut reader = Reader { text, characters: text.chars().collect(), at: 0, depth: 0 };
        if reader.characters.len() > MAX_LEN {
            return Err(reader.error(format!("it has more than {MAX_LEN} characters")));
        }
        let root = reader.sum()?;
        match reader.peek() {
            None => Ok(Expression { text: text.to_owned(), root }),
            Some(')') => Err(reader.error("this bracket has no opening bracket".to_owned())),
            Some(other) => Err(reader.error(format!("`{other}` doesn't belong here"))),
        }
    }

    /// Its value and its derivative at `x`.
    pub fn at(&self, x: f64) -> Jet {
        self.root.at(x)
    }
}

impl fmt::Display for Expression {
    /// As it was given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Node {
    fn at(&self, x: f64) -> Jet {
        match self {
            Node::Constant(value) => Jet { value: *value, slope: 0.0 },
            Node::X => Jet { value: x, slope: 1.0 },
            Node::Negative(inner) => {
                let Jet { value, slope } = inner.at(x);
                Jet { value: -value, slope: -slope }
            }
            Node::Binary(operator, both) => {
                let [left, right] = [both[0].at(x), both[1].at(x)];
                operator.apply(left, right)
            }
            Node::Call(function, inner) => {
                let Jet { value, slope } = inner.at(x);
                Jet { value: (function.value)(value), slope: times((function.slope)(value), slope) }
            }
        }
    }
}

/// a·b, where b is a slope: what doesn't change changes nothing, however steep it meets.
fn times(a: f64, slope: f64) -> f64 {
    if slope == 0.0 { 0.0 } else { a * slope }
}

impl Operator {
    fn apply(self, a: Jet, b: Jet) -> Jet {
        match self {
            Operator::Plus => Jet { value: a.value + b.value, slope: a.slope + b.slope },
            Operator::Minus => Jet { value: a.value - b.value, slope: a.slope - b.slope },
            Operator::Times => {
                Jet { value: a.value * b.value, slope: times(b.value, a.slope) + times(a.value, b.slope) }
            }
            Operator::Over => {
                let value = a.value / b.value;
                Jet { value, slope: times(b.value.recip(), a.slope) - times(value / b.value, b.slope) }
            }
            Operator::Power => {
                let value = a.value.powf(b.value);
                // x⁰ is flat at 0 too, where x⁻¹ has no value.
                let steepness = if b.value == 0.0 { 0.0 } else { b.value * a.value.powf(b.value - 1.0) };
                let of_base = times(steepness, a.slope);
                Jet { value, slope: of_base + times(value * a.value.ln(), b.slope) }
            }
        }
    }
}

/// What is still to be read.
struct Reader<'a> {
    text: &'a str,
    characters: Vec<char>,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn error(&self, what: String) -> LossError {
        LossError::Expression { text: self.text.to_owned(), place: self.at + 1, what }
    }

    /// The next character that is not a space, without taking it. Signs that a text program has put in count as what they look like.
    fn peek(&mut self) -> Option<char> {
        while self.characters.get(self.at).is_some_and(|character| character.is_whitespace()) {
            self.at += 1;
        }
        self.characters.get(self.at).map(|&character| match character {
            '−' | '–' => '-',
            '·' | '×' => '*',
            other => other,
        })
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    /// Reads what `inner` reads, one level deeper.
    fn deeper(&mut self, inner: fn(&mut Self) -> Result<Node, LossError>) -> Result<Node, LossError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} nested brackets and signs")));
        }
        let node = inner(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn sum(&mut self) -> Result<Node, LossError> {
        let mut node = self.product()?;
        loop {
            let operator = match self.peek() {
                Some('+') => Operator::Plus,
                Some('-') => Operator::Minus,
                _ => return Ok(node),
            };
            self.at += 1;
            node = binary(operator, node, self.product()?);
        }
    }

    fn product(&mut self) -> Result<Node, LossError> {
        let mut node = self.factor()?;
        let mut is_over = false;
        loop {
            let operator = match self.peek() {
                Some('*') => Some(Operator::Times),
                Some('/') => Some(Operator::Over),
                Some(next) if next.is_alphabetic() || next == '(' => None,
                Some(next) if next.is_ascii_digit() || next == '.' => {
                    return Err(
                        self.error("a number follows without an operator: write *, + or ^ between them".to_owned())
                    );
                }
                _ => return Ok(node),
            };
            if operator.is_none() && is_over {
                return Err(self.error("1/2x is ambiguous: write (1/2)x or 1/(2x)".to_owned()));
            }
            self.at += usize::from(operator.is_some());
            is_over = operator == Some(Operator::Over);
            node = binary(operator.unwrap_or(Operator::Times), node, self.factor()?);
        }
    }

    fn factor(&mut self) -> Result<Node, LossError> {
        match self.peek() {
            Some('-') => {
                self.at += 1;
                Ok(Node::Negative(Box::new(self.deeper(Self::factor)?)))
            }
            Some('+') => {
                self.at += 1;
                self.deeper(Self::factor)
            }
            _ => self.power(),
        }
    }

    fn power(&mut self) -> Result<Node, LossError> {
        let base = self.atom()?;
        let is_stars = self.peek() == Some('*') && self.characters.get(self.at + 1) == Some(&'*');
        if !is_stars && self.peek() != Some('^') {
            return Ok(base);
        }
        self.at += if is_stars { 2 } else { 1 };
        Ok(binary(Operator::Power, base, self.deeper(Self::factor)?))
    }

    fn atom(&mut self) -> Result<Node, LossError> {
        match self.peek() {
            Some('(') => self.bracketed(')'),
            Some('|') => Ok(Node::Call(FUNCTIONS[0], Box::new(self.bracketed('|')?))),
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_alphabetic() => self.name(),
            Some(other) => {
                Err(self.error(format!("expected a number, x, a function or a bracket here, not `{other}`")))
            }
            None => Err(self.error("the end is missing: a number, x, a function or a bracket".to_owned())),
        }
    }

    /// What stands between this bracket and `close`.
    fn bracketed(&mut self, close: char) -> Result<Node, LossError> {
        self.at += 1;
        let inner = self.deeper(Self::sum)?;
        if self.take(close) { Ok(inner) } else { Err(self.error(format!("a bracket is open: `{close}` is missing"))) }
    }

    fn number(&mut self) -> Result<Node, LossError> {
        let start = self.at;
        let is_digit = |reader: &Self, at: usize| reader.characters.get(at).is_some_and(char::is_ascii_digit);
        while is_digit(self, self.at) || self.characters.get(self.at) == Some(&'.') {
            self.at += 1;
        }
        // 2e is 2·e, and 2e-3 is 0.002.
        if matches!(self.characters.get(self.at), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.characters.get(self.at + 1), Some('+' | '-' | '−' | '–')));
            if is_digit(self, self.at + 1 + sign) {
                self.at += 2 + sign;
                while is_digit(self, self.at) {
                    self.at += 1;
                }
            }
        }
        let text = self.characters[start..self.at].iter().collect::<String>().replace(['−', '–'], "-");
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map(Node::Constant).ok_or_else(|| {
            self.at = start;
            self.error(format!("`{text}` is not a number"))
        })
    }

    fn name(&mut self) -> Result<Node, LossError> {
        let start = self.at;
        while self.characters.get(self.at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
            self.at += 1;
        }
        let name: String = self.characters[start..self.at].iter().collect();
        match name.as_str() {
            "x" => return Ok(Node::X),
            "e" => return Ok(Node::Constant(std::f64::consts::E)),
            "pi" | "π" => return Ok(Node::Constant(std::f64::consts::PI)),
            _ => {}
        }
        let Some(function) = FUNCTIONS.into_iter().find(|function| function.name == name) else {
            let names = FUNCTIONS.map(|function| function.name);
            let hint =
                nearest(&name, names.into_iter()).map_or(":".to_owned(), |near| format!(", did you mean {near}?"));
            self.at = start;
            let known = names.join(", ");
            return Err(self.error(format!("unknown name `{name}`{hint} the names are x, pi, e, {known}")));
        };
        if self.peek() != Some('(') {
            return Err(self.error(format!("{name} needs a bracket: {name}(x)")));
        }
        Ok(Node::Call(function, Box::new(self.bracketed(')')?)))
    }
}

fn binary(operator: Operator, left: Node, right: Node) -> Node {
    Node::Binary(operator, Box::new([left, right]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jet(text: &str, x: f64) -> (f64, f64) {
        let Jet { value, slope } = Expression::parse(text).unwrap_or_else(|error| panic!("{error}")).at(x);
        (value, slope)
    }

    #[test]
    fn values_and_slopes_are_those_written_out() {
        for (text, x, value, slope) in [
            ("-7x-3", -1.0, 4.0, -7.0),
            ("7x - 3", 1.0, 4.0, 7.0),
            ("-x^2", 3.0, -9.0, -6.0),
            ("2^3^2", 0.0, 512.0, 0.0),
            ("x**3/4", 2.0, 2.0, 3.0),
            ("2(x+1)(x-1)", 3.0, 16.0, 12.0),
            ("3x^-2", 2.0, 0.75, -0.75),
            ("--x", 2.0, 2.0, 1.0),
            ("1 - 2 - 3", 0.0, -4.0, 0.0),
            ("8/4/2", 0.0, 1.0, 0.0),
            ("|x|", -0.5, 0.5, -1.0),
            ("|x| + 1", 0.0, 1.0, 0.0),
            ("x*|x|", -2.0, -4.0, 4.0),
            ("2e", 0.0, 2.0 * std::f64::consts::E, 0.0),
            ("2e-3x", 2.0, 0.004, 0.002),
            ("2e−3x", 2.0, 0.004, 0.002),
            ("1e2", 0.0, 100.0, 0.0),
            ("π·x − 1", 1.0, std::f64::consts::PI - 1.0, std::f64::consts::PI),
            ("4", 0.3, 4.0, 0.0),
            ("x^0", 0.0, 1.0, 0.0),
        ] {
            assert_eq!(jet(text, x), (value, slope), "{text} at {x}");
        }
    }

    #[test]
    fn the_slope_is_the_limit_of_differences_for_every_function_and_operator() {
        let calls = FUNCTIONS.map(|function| format!("{}(0.3 + x^2/2)", function.name));
        let mixed = ["x^x", "2^x", "(x+1)/(x^2+1)", "sin(3x)exp(-x)^2", "1/(1+exp(-5x))", "sqrt(1-x^2)"];
        for text in calls.iter().map(String::as_str).chain(mixed) {
            for x in [0.2, 0.7] {
                let h = 1e-5;
                let (_, slope) = jet(text, x);
                let difference = (jet(text, x + h).0 - jet(text, x - h).0) / (2.0 * h);
                // The error of the difference is of order h².
                assert!((slope - difference).abs() < 1e-8 * slope.abs().max(1.0), "{text}: {slope}, {difference}");
            }
        }
    }

    #[test]
    fn what_is_no_function_of_x_is_refused_with_its_place_and_a_way_out() {
        for (text, place, said) in [
            ("", 1, "the end is missing"),
            ("7x-", 4, "the end is missing"),
            ("7y-3", 2, "unknown name `y`"),
            ("sqr(x)", 1, "did you mean sqrt?"),
            ("sin x", 5, "sin needs a bracket: sin(x)"),
            ("1/2x", 4, "write (1/2)x or 1/(2x)"),
            ("x 2", 3, "a number follows without an operator"),
            ("(x+1", 5, "`)` is missing"),
            ("x)", 2, "this bracket has no opening bracket"),
            ("1.2.3", 1, "`1.2.3` is not a number"),
            ("x + * 2", 5, "here, not `*`"),
            ("x; 2", 2, "`;` doesn't belong here"),
        ] {
            let error = Expression::parse(text).unwrap_err();
            let LossError::Expression { place: found, .. } = &error else { panic!("{error}") };
            assert_eq!(*found, place, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
        let deep = format!("{}x{}", "(".repeat(200), ")".repeat(200));
        assert!(Expression::parse(&deep).unwrap_err().to_string().contains("nested brackets"));
        assert!(Expression::parse(&"-".repeat(999)).unwrap_err().to_string().contains("nested brackets"));
        assert!(Expression::parse(&"x+".repeat(600)).unwrap_err().to_string().contains("more than 1000 characters"));
    }
}
