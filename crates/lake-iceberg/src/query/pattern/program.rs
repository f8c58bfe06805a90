//! A pattern as steps: which comes next, and which of two is tried first.

use super::parse::Node;

/// Steps of a program; the search keeps a bit for each at every row.
const MAX_STEPS: usize = 8_192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A row with this symbol, then the next step.
    Row {
        symbol: usize,
        hidden: bool,
    },
    /// The first, or else the second.
    Split(usize, usize),
    Jump(usize),
    /// Goes on before the first row only.
    Start,
    /// Goes on after the last row only.
    End,
    Done,
}

/// Steps from the first on; those without a successor of their own go on with the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(super) steps: Vec<Step>,
}

impl Program {
    pub(crate) fn of(pattern: &Node) -> Result<Self, String> {
        let mut program = Self { steps: Vec::new() };
        program.write(pattern, false)?;
        program.push(Step::Done)?;
        Ok(program)
    }

    fn push(&mut self, step: Step) -> Result<usize, String> {
        if self.steps.len() >= MAX_STEPS {
            return Err(format!("it is longer than {MAX_STEPS} steps when repetitions are written out"));
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn write(&mut self, node: &Node, hidden: bool) -> Result<(), String> {
        match node {
            Node::Symbol(symbol) => _ = self.push(Step::Row { symbol: *symbol, hidden })?,
            Node::Start => _ = self.push(Step::Start)?,
            Node::End => _ = self.push(Step::End)?,
            Node::Hidden(node) => self.write(node, true)?,
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.write(node, hidden))?,
            Node::Either(nodes) => self.either(nodes, hidden)?,
            Node::Repeat { node, least, most, greedy } => {
                for _ in 0..*least {
                    self.write(node, hidden)?;
                }
                match most {
                    None => self.any_number(node, hidden, *greedy)?,
                    Some(most) => self.up_to(node, hidden, *greedy, most.saturating_sub(*least))?,
                }
            }
        }
        Ok(())
    }

    fn either(&mut self, nodes: &[Node], hidden: bool) -> Result<(), String> {
        let mut jumps = Vec::new();
        for (n, node) in nodes.iter().enumerate() {
            if n + 1 == nodes.len() {
                self.write(node, hidden)?;
                continue;
            }
            let split = self.push(Step::Split(0, 0))?;
            self.write(node, hidden)?;
            jumps.push(self.push(Step::Jump(0))?);
            self.steps[split] = Step::Split(split + 1, self.steps.len());
        }
        let end = self.steps.len();
        for jump in jumps {
            self.steps[jump] = Step::Jump(end);
        }
        Ok(())
    }

    fn any_number(&mut self, node: &Node, hidden: bool, greedy: bool) -> Result<(), String> {
        let split = self.push(Step::Split(0, 0))?;
        self.write(node, hidden)?;
        let end = self.push(Step::Jump(split))? + 1;
        self.steps[split] = choice(greedy, split + 1, end);
        Ok(())
    }

    fn up_to(&mut self, node: &Node, hidden: bool, greedy: bool, times: u32) -> Result<(), String> {
        let mut splits = Vec::new();
        for _ in 0..times {
            splits.push(self.push(Step::Split(0, 0))?);
            self.write(node, hidden)?;
        }
        let end = self.steps.len();
        for split in splits {
            self.steps[split] = choice(greedy, split + 1, end);
        }
        Ok(())
    }
}

fn choice(greedy: bool, again: usize, end: usize) -> Step {
    if greedy { Step::Split(again, end) } else { Step::Split(end, again) }
}
