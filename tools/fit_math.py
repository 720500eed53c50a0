"""Fits the rational approximations of src/kernels/vec/constants.h: minimax of the relative error by weighted least squares
(Lawson's weights, Loeb's linearisation), in many digits. Usage: fit_math.py erf|tanh P-DEGREE Q-DEGREE LIMIT"""
import sys
import mpmath as mp
import numpy as np

mp.mp.dps = 50


def rational(f, low, high, p_degree, q_degree, rounds=40, points=400):
    s = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (i + 0.5) / points) for i in range(points)]
    value = [f(x) for x in s]
    t = [x / high for x in s]
    q, weight, best = [mp.mpf(1)] * points, [mp.mpf(1)] * points, None
    for k in range(rounds):
        rows, right = [], []
        for i in range(points):
            w = mp.sqrt(weight[i]) / (value[i] * q[i])
            rows.append([w * t[i]**j for j in range(p_degree + 1)] + [-w * value[i] * t[i]**j for j in range(1, q_degree + 1)])
            right.append(w * value[i])
        a, b = np.array(rows, dtype=object), np.array(right, dtype=object)
        c = mp.lu_solve(mp.matrix(a.T.dot(a).tolist()), mp.matrix(a.T.dot(b).tolist()))
        pc = [c[j] for j in range(p_degree + 1)]
        qc = [mp.mpf(1)] + [c[p_degree + 1 + j] for j in range(q_degree)]
        q = [sum(x * u**j for j, x in enumerate(qc)) for u in t]
        error = [abs(sum(x * t[i]**j for j, x in enumerate(pc)) / q[i] / value[i] - 1) for i in range(points)]
        most = max(error)
        if best is None or most < best[0]:
            best = most, [x / high**j for j, x in enumerate(pc)], [x / high**j for j, x in enumerate(qc)]
        if k >= 4:
            weight = [w * (e / most + mp.mpf("1e-6")) for w, e in zip(weight, error)]
            weight = [w / max(weight) for w in weight]
    return best


name, p_degree, q_degree, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), mp.mpf(sys.argv[4])
g = mp.erf if name == "erf" else mp.tanh
error, p, q = rational(lambda s: g(mp.sqrt(s)) / mp.sqrt(s), mp.mpf("1e-12"), limit**2, p_degree, q_degree)
print("largest relative error", mp.nstr(error, 4))
print("P", [mp.nstr(x, 12) for x in p])
print("Q", [mp.nstr(x, 12) for x in q])
