// Kernels that move and pick elements, against plain loops over indices.
#include "kernel_harness.h"

using namespace minibatch;

namespace {

using Lists = std::vector<Numbers>;

size_t U(int64_t i) { return static_cast<size_t>(i); }

// ---- moving ----

// An output defined by where each element comes from: a function of its indices, -1 for the padding value.
void Moving(const char* name, Shape x, Shape y, Numbers attributes, const std::function<int64_t(const std::vector<int64_t>&)>& from, double padding = 0) {
  for (int special = 0; special < 3; special++) {
    const DType dtype = special == 2 ? DType::kU8 : special == 1 ? DType::kF64 : DType::kF32;
    if (special == 2 && strcmp(name, "pad") == 0) continue;
    Case c{name, {{x, Draw(SizeOf(x), 0, 255), special == 2, dtype}}, {{y, special == 2, dtype}}, attributes, nullptr, 0, 0, 0, 0};
    c.expected = [&](const Lists& in) {
      Lists out(1);
      std::vector<int64_t> index(y.size(), 0);
      for (int64_t i = 0; i < SizeOf(y); i++) {
        int64_t rest = i;
        for (size_t a = y.size(); a-- > 0;) {
          index[a] = rest % y[a];
          rest /= y[a];
        }
        const int64_t k = from(index);
        out[0].push_back(k < 0 ? padding : in[0][U(k)]);
      }
      return out;
    };
    TestAs(c, special == 1 ? DType::kF64 : DType::kF32);
  }
}
std::vector<int64_t> StridesOf(const Shape& x) {
  std::vector<int64_t> strides(x.size());
  int64_t stride = 1;
  for (size_t i = x.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= x[i];
  }
  return strides;
}
Numbers ListOf(const Shape& x) {
  Numbers list{static_cast<double>(x.size())};
  for (int64_t n : x) list.push_back(static_cast<double>(n));
  return list;
}
Numbers Join(Numbers a, const Numbers& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void TestMoving() {
  const std::pair<Shape, Shape> transposes[] = {{{}, {}}, {{3}, {0}}, {{5, 33}, {1, 0}}, {{5, 33}, {0, 1}}, {{2, 3, 4}, {2, 0, 1}}, {{2, 3, 70}, {1, 0, 2}},
    {{2, 3, 4, 5}, {3, 1, 2, 0}}, {{0, 3}, {1, 0}}, {{600, 501}, {1, 0}}, {{3, 130, 129}, {0, 2, 1}}, {{17, 2, 19}, {2, 1, 0}}, {{1, 5, 1, 7}, {3, 2, 1, 0}},
    {{2, 3, 2, 3, 2, 3}, {5, 3, 1, 0, 2, 4}}, {{64, 64}, {1, 0}}, {{300, 8, 100}, {1, 2, 0}}};
  for (const auto& [x, axes] : transposes) {
    const auto strides = StridesOf(x);
    Shape y;
    for (int64_t a : axes) y.push_back(x[U(a)]);
    Moving("transpose", x, y, ListOf(axes), [&, &axes = axes](const std::vector<int64_t>& index) {
      int64_t at = 0;
      for (size_t i = 0; i < index.size(); i++) at += index[i] * strides[U(axes[i])];
      return at;
    });
  }
  struct Part {
    Shape x, begin, size;
  };
  const Part slices[] = {{{}, {}, {}}, {{70}, {1}, {68}}, {{5, 33}, {1, 2}, {3, 30}}, {{5, 33}, {2, 0}, {2, 33}}, {{2, 3, 4}, {1, 0, 3}, {1, 3, 1}}, {{5, 3}, {5, 0}, {0, 3}},
    {{0, 3}, {0, 1}, {0, 2}}, {{700, 400}, {3, 5}, {690, 390}}, {{40, 3}, {0, 1}, {40, 1}}};
  for (const Part& p : slices) {
    const auto strides = StridesOf(p.x);
    Moving("slice", p.x, p.size, Join(ListOf(p.begin), ListOf(p.size)), [&](const std::vector<int64_t>& index) {
      int64_t at = 0;
      for (size_t i = 0; i < index.size(); i++) at += (index[i] + p.begin[i]) * strides[i];
      return at;
    });
    // The same parts as pads: begin before, the rest after.
    Shape after(p.x.size());
    for (size_t i = 0; i < p.x.size(); i++) after[i] = p.x[i] - p.begin[i] - p.size[i];
    const auto own = StridesOf(p.size);
    Moving("pad", p.size, p.x, Join(Join(ListOf(p.begin), ListOf(after)), {0.5}), [&](const std::vector<int64_t>& index) {
      int64_t at = 0;
      for (size_t i = 0; i < index.size(); i++) {
        const int64_t k = index[i] - p.begin[i];
        if (k < 0 || k >= p.size[i]) return int64_t{-1};
        at += k * own[i];
      }
      return at;
    }, 0.5);
  }
  const std::pair<Shape, Shape> broadcasts[] = {{{}, {}}, {{}, {5, 33}}, {{33}, {5, 33}}, {{5, 1}, {5, 33}}, {{2, 1, 3, 1}, {2, 4, 3, 5}}, {{70}, {70}}, {{1}, {0}}, {{1, 3}, {0, 3}}, {{1, 500}, {500, 500}}};
  for (const auto& [x, y] : broadcasts) {
    const auto strides = StridesOf(x);
    Moving("broadcastTo", x, y, ListOf(y), [&, &x = x](const std::vector<int64_t>& index) {
      int64_t at = 0;
      for (size_t i = 0; i < x.size(); i++) at += x[i] == 1 ? 0 : index[index.size() - x.size() + i] * strides[i];
      return at;
    });
  }
  Moving("reshape", {2, 3, 4}, {4, 6}, ListOf({4, 6}), [](const std::vector<int64_t>& i) { return i[0] * 6 + i[1]; });
  Moving("view", {100}, {4, 6}, Join({7}, ListOf({4, 6})), [](const std::vector<int64_t>& i) { return 7 + i[0] * 6 + i[1]; });

  const std::pair<std::vector<Shape>, int64_t> concats[] = {{{{3}}, 0}, {{{70}, {3}}, 0}, {{{5, 33}, {2, 33}}, 0}, {{{5, 3}, {5, 70}, {5, 1}}, 1}, {{{2, 3, 4}, {2, 1, 4}}, 1},
    {{{0, 3}, {2, 3}}, 0}, {{{2, 0}, {2, 0}}, 1}, {{{700, 100}, {700, 300}, {700, 7}}, 1}};
  for (const auto& [shapes, axis] : concats) {
    Shape y = shapes[0];
    y[U(axis)] = 0;
    Case c{"concat", {}, {}, {static_cast<double>(axis)}, nullptr, 0, 0, 0, 0};
    for (const Shape& x : shapes) {
      y[U(axis)] += x[U(axis)];
      c.inputs.push_back({x, Draw(SizeOf(x))});
    }
    c.outputs.push_back({y});
    int64_t outer = 1;
    for (int64_t i = 0; i < axis; i++) outer *= y[U(i)];
    c.expected = [&](const Lists& in) {
      Lists out(1);
      for (int64_t o = 0; o < outer; o++) {
        for (const Numbers& x : in) {
          const int64_t n = static_cast<int64_t>(x.size()) / (outer > 0 ? outer : 1);
          out[0].insert(out[0].end(), x.begin() + o * n, x.begin() + (o + 1) * n);
        }
      }
      return out;
    };
    Test(c);
  }
  for (int64_t big : {int64_t{50}, int64_t{300000}}) {
    Case pack{"pack", {{{3}, Draw(3)}, {{2, 5}, Draw(10)}, {{big}, Draw(big)}}, {{{64 + big}}}, {3, 0, 16, 40, static_cast<double>(64 + big)}, nullptr, 0, 0, 0, 0};
    pack.expected = [&](const Lists& in) {
      Numbers y(U(64 + big), 0);
      for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < in[k].size(); i++) y[U(static_cast<int64_t>(pack.attributes[1 + k])) + i] = in[k][i];
      }
      return Lists{y};
    };
    Test(pack);
  }
}

// ---- picking ----

void TestPicking() {
  struct Pick {
    Shape x, indices;
    int64_t axis;
  };
  const Pick picks[] = {{{5, 33}, {7}, 0}, {{5, 9}, {2, 3}, 1}, {{2, 4, 3}, {}, 1}, {{6}, {4}, 0}, {{3, 2}, {0}, 0}, {{1000, 130}, {2000}, 0}, {{50000, 3}, {9}, 0}, {{9000, 70}, {600}, 0}, {{600000}, {50}, 0}};
  for (const Pick& p : picks) {
    int64_t outer = 1, inner = 1;
    const int64_t n = p.x[U(p.axis)], count = SizeOf(p.indices);
    for (size_t i = 0; i < p.x.size(); i++) (static_cast<int64_t>(i) < p.axis ? outer : static_cast<int64_t>(i) > p.axis ? inner : (outer)) *= static_cast<int64_t>(i) == p.axis ? 1 : p.x[i];
    Shape y(p.x.begin(), p.x.begin() + p.axis);
    y.insert(y.end(), p.indices.begin(), p.indices.end());
    y.insert(y.end(), p.x.begin() + p.axis + 1, p.x.end());
    const Numbers indices = Indices(count, n);
    Case c{"gather", {{p.x, Draw(SizeOf(p.x))}, Ints(p.indices, indices)}, {{y}}, {static_cast<double>(p.axis)}, nullptr, 0, 0, 0, 0};
    c.expected = [&](const Lists& in) {
      Lists out(1);
      for (int64_t o = 0; o < outer; o++) {
        for (double index : in[1]) {
          for (int64_t j = 0; j < inner; j++) out[0].push_back(in[0][U((o * n + static_cast<int64_t>(index)) * inner + j)]);
        }
      }
      return out;
    };
    Test(c);
    Case s{"scatterAdd", {Ints(p.indices, indices), {y, Draw(SizeOf(y))}}, {{p.x}}, {static_cast<double>(p.axis), static_cast<double>(n)}, nullptr, 1e-7, 1e-15, 1e-7, 1e-15};
    s.expected = [&](const Lists& in) {
      Lists out{Numbers(U(SizeOf(p.x)), 0)};
      size_t k = 0;
      for (int64_t o = 0; o < outer; o++) {
        for (double index : in[0]) {
          for (int64_t j = 0; j < inner; j++) out[0][U((o * n + static_cast<int64_t>(index)) * inner + j)] += in[1][k++];
        }
      }
      return out;
    };
    Test(s);
  }
  for (int64_t depth : {int64_t{1}, int64_t{5}, int64_t{33}}) {
    for (int code : {0, 1, 2, 3}) {
      Case c{"oneHot", {Ints({3, 7}, Indices(21, depth))}, {{{3, 7, depth}, true, static_cast<DType>(code)}}, {static_cast<double>(depth), static_cast<double>(code)}, nullptr, 0, 0, 0, 0};
      c.expected = [&](const Lists& in) {
        Lists out{Numbers(U(21 * depth), 0)};
        for (size_t i = 0; i < 21; i++) out[0][i * U(depth) + U(static_cast<int64_t>(in[0][i]))] = 1;
        return out;
      };
      TestAs(c, DType::kF32);
    }
  }
  const std::pair<DType, DType> conversions[] = {{DType::kU8, DType::kF32}, {DType::kU8, DType::kF64}, {DType::kI32, DType::kF32}, {DType::kF32, DType::kF32},
                                                 {DType::kF64, DType::kF32}, {DType::kI32, DType::kI32}, {DType::kU8, DType::kU8}, {DType::kF32, DType::kF64}};
  for (const auto& [from, to] : conversions) {
    for (const Shape& table : {Shape{9, 33}, Shape{9}, Shape{50, 2, 784}}) {
      const int64_t rows = table.size() == 3 ? 200 : 4, width = SizeOf(table) / table[0];
      Shape y = table;
      y[0] = rows;
      Numbers values = Draw(SizeOf(table), 0, 255);
      for (double& v : values) v = floor(v);
      Case c{"gatherRows", {{table, values, true, from}, Ints({rows}, Indices(rows, table[0]))}, {{y, true, to}}, {static_cast<double>(static_cast<int>(to))}, nullptr, 0, 0, 0, 0};
      c.expected = [&](const Lists& in) {
        Lists out(1);
        for (double row : in[1]) {
          for (int64_t j = 0; j < width; j++) out[0].push_back(in[0][U(static_cast<int64_t>(row) * width + j)]);
        }
        return out;
      };
      TestAs(c, DType::kF64);
    }
  }
}

}  // namespace

int main() {
  TestMoving();
  TestPicking();
  return Summary("moving");
}
