//! Eigenvalues and eigenvectors of a symmetric matrix.

/// Sweeps over one eigenvalue before it is taken as it is; three or four are usual.
const SWEEPS: usize = 60;

/// A real symmetric matrix taken apart: `matrix = V diag(values) V'`.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, ascending.
    pub values: Vec<f64>,
    /// Eigenvectors, one a row, in the order of the values.
    pub vectors: Vec<f64>,
}

/// Takes `matrix` (symmetric, n by n, row by row; only the lower triangle is read) apart by
/// Householder's reduction to a tridiagonal matrix and the QL method with implicit shifts
/// (Bowdler, Martin, Reinsch and Wilkinson 1968; EISPACK's tred2 and imtql2). About 9 n^3
/// operations in a fixed order.
///
/// # Panics
/// If `matrix` has not n * n elements.
#[must_use]
pub fn symmetric(matrix: &[f64], n: usize) -> Eigen {
    assert_eq!(matrix.len(), n * n, "a square matrix was expected");
    if n == 0 {
        return Eigen { values: vec![], vectors: vec![] };
    }
    let mut work = Work { n, rows: matrix.to_vec(), diagonal: vec![0.0; n], beside: vec![0.0; n] };
    for i in 0..n {
        for j in i + 1..n {
            work.rows[i * n + j] = matrix[j * n + i];
        }
    }
    work.tridiagonal();
    // Rotations act on pairs of vectors: as rows they lie together.
    work.transpose();
    work.diagonalise();
    work.sorted()
}

struct Work {
    n: usize,
    /// First the matrix, then the transformation, at last the eigenvectors.
    rows: Vec<f64>,
    diagonal: Vec<f64>,
    beside: Vec<f64>,
}

impl Work {
    fn tridiagonal(&mut self) {
        let n = self.n;
        for i in (1..n).rev() {
            let (above, row) = self.rows.split_at_mut(i * n);
            let row = &mut row[..n];
            let scale: f64 = row[..i].iter().map(|x| x.abs()).fold(0.0, |sum, x| sum + x);
            if i == 1 || scale == 0.0 {
                self.beside[i] = row[i - 1];
                self.diagonal[i] = 0.0;
                continue;
            }
            row[..i].iter_mut().for_each(|x| *x /= scale);
            let mut h = row[..i].iter().fold(0.0, |sum, x| sum + x * x);
            let f = row[i - 1];
            let g = if f >= 0.0 { -h.sqrt() } else { h.sqrt() };
            self.beside[i] = scale * g;
            h -= f * g;
            row[i - 1] = f - g;
            // p = A u / h, from the lower triangle alone.
            let p = &mut self.beside[..i];
            p.fill(0.0);
            for j in 0..i {
                let lower = &above[j * n..j * n + j];
                let mut sum = above[j * n + j] * row[j];
                for ((x, u), p) in lower.iter().zip(&row[..j]).zip(p.iter_mut()) {
                    sum += x * u;
                    *p += x * row[j];
                }
                p[j] += sum;
            }
            let mut f = 0.0;
            for (p, u) in p.iter_mut().zip(&row[..i]) {
                *p /= h;
                f += *p * u;
            }
            let k = f / (h + h);
            for (p, u) in p.iter_mut().zip(&row[..i]) {
                *p -= k * u;
            }
            for j in 0..i {
                let (u, q) = (row[j], p[j]);
                for ((x, u_k), p_k) in above[j * n..=j * n + j].iter_mut().zip(&row[..]).zip(p.iter()) {
                    *x -= u * p_k + q * u_k;
                }
            }
            self.diagonal[i] = h;
        }
        self.diagonal[0] = 0.0;
        self.accumulate();
    }

    /// Multiplies the reflections out.
    fn accumulate(&mut self) {
        let n = self.n;
        let mut g = vec![0.0; n];
        for i in 0..n {
            if self.diagonal[i] != 0.0 {
                let (above, row) = self.rows.split_at_mut(i * n);
                g[..i].fill(0.0);
                for k in 0..i {
                    for (g, x) in g[..i].iter_mut().zip(&above[k * n..k * n + i]) {
                        *g += row[k] * x;
                    }
                }
                for k in 0..i {
                    let u = row[k] / self.diagonal[i];
                    for (x, g) in above[k * n..k * n + i].iter_mut().zip(&g[..i]) {
                        *x -= g * u;
                    }
                }
            }
            self.diagonal[i] = self.rows[i * n + i];
            self.rows[i * n + i] = 1.0;
            for j in 0..i {
                self.rows[i * n + j] = 0.0;
                self.rows[j * n + i] = 0.0;
            }
        }
    }

    fn transpose(&mut self) {
        for i in 0..self.n {
            for j in 0..i {
                self.rows.swap(i * self.n + j, j * self.n + i);
            }
        }
    }

    fn diagonalise(&mut self) {
        let n = self.n;
        self.beside.rotate_left(1);
        self.beside[n - 1] = 0.0;
        for l in 0..n {
            for _ in 0..SWEEPS {
                let small = |m: usize| {
                    let size = self.diagonal[m].abs() + self.diagonal[m + 1].abs();
                    self.beside[m].abs() <= f64::EPSILON * size
                };
                let m = (l..n - 1).find(|&m| small(m)).unwrap_or(n - 1);
                if m == l {
                    break;
                }
                self.sweep(l, m);
            }
        }
    }

    /// One implicit QL step on the block `l..=m`.
    fn sweep(&mut self, l: usize, m: usize) {
        let n = self.n;
        let (d, e) = (&mut self.diagonal, &mut self.beside);
        let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
        let r = hypotenuse(g, 1.0);
        let mut g = d[m] - d[l] + e[l] / (g + if g >= 0.0 { r } else { -r });
        let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
        for i in (l..m).rev() {
            let (f, b) = (s * e[i], c * e[i]);
            let r = hypotenuse(f, g);
            e[i + 1] = r;
            if r == 0.0 {
                d[i + 1] -= p;
                e[m] = 0.0;
                return;
            }
            (s, c) = (f / r, g / r);
            g = d[i + 1] - p;
            let r = (d[i] - g) * s + 2.0 * c * b;
            p = s * r;
            d[i + 1] = g + p;
            g = c * r - b;
            let (one, other) = self.rows[i * n..(i + 2) * n].split_at_mut(n);
            for (x, y) in one.iter_mut().zip(other) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        }
        d[l] -= p;
        e[l] = g;
        e[m] = 0.0;
    }

    fn sorted(self) -> Eigen {
        let n = self.n;
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| self.diagonal[a].total_cmp(&self.diagonal[b]));
        Eigen {
            values: order.iter().map(|&i| self.diagonal[i]).collect(),
            vectors: order.iter().flat_map(|&i| &self.rows[i * n..(i + 1) * n]).copied().collect(),
        }
    }
}

/// sqrt(a^2 + b^2) without overflow, from exact operations only.
fn hypotenuse(a: f64, b: f64) -> f64 {
    let (large, small) = (a.abs().max(b.abs()), a.abs().min(b.abs()));
    if large == 0.0 {
        return 0.0;
    }
    let ratio = small / large;
    large * (1.0 + ratio * ratio).sqrt()
}
