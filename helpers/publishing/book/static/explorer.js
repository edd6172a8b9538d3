// What a convolution costs, as the sliders are moved: the arithmetic of helpers.cost.conv_cost, in its words.
"use strict";

const SLIDERS = [ // name as in nn.Conv2d, label, values, first value
  ["kernel_size", "kernel, k×k", range(1, 7), 3],
  ["in_channels", "input channels", [1, 3, 6, 8, 12, 16, 32, 48, 64, 96, 128, 256, 512], 64],
  ["out_channels", "output channels", [1, 3, 6, 8, 10, 12, 16, 32, 48, 64, 96, 128, 256, 512], 64],
  ["groups", "groups", [1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512], 1],
  ["dilation", "dilation", range(1, 5), 1],
  ["stride", "stride", range(1, 4), 1],
  ["padding", "padding", range(0, 8), 1],
  ["input_size", "input, pixels a side", [1, 2, 4, 5, 7, 8, 11, 14, 16, 24, 28, 30, 32, 48, 64, 112, 224], 32],
];

function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

const times = number => `${number}×${number}`;

// The costs of a convolution without a bias, for one image of float32, or {refused: why}.
function convCost({ kernel_size, in_channels, out_channels, groups, dilation, stride, padding, input_size }) {
  for (const [name, channels] of [["in_channels", in_channels], ["out_channels", out_channels]])
    if (channels % groups)
      return { refused: `groups must divide ${name}: ${groups} groups cannot share ${channels} channels evenly` };
  const span = dilation * (kernel_size - 1) + 1, padded = input_size + 2 * padding;
  if (padded < span)
    return {
      refused: `a kernel of ${times(kernel_size)} with dilation ${times(dilation)} spans ${times(span)} pixels, more than ` +
        `the input of ${times(input_size)}, which is ${times(padded)} with its padding: enlarge the input or the padding`,
    };
  const output = Math.floor((padded - span) / stride) + 1;
  const params = out_channels * (in_channels / groups) * kernel_size ** 2;
  const macs = params * output ** 2, activations = out_channels * output ** 2;
  const bytes = 4 * (in_channels * input_size ** 2 + params + activations);
  const kind = [
    dilation > 1 && kernel_size > 1 && "dilated",
    groups > 1 && (groups === in_channels ? "depthwise" : "grouped"),
    kernel_size === 1 && "pointwise",
  ].filter(Boolean).join(" ") || "standard";
  return { kind, output, params, macs, activations, bytes, intensity: 2 * macs / bytes, span };
}

function footprint({ kernel_size, dilation }, span) {
  const cells = [];
  for (let row = 0; row < span; row++)
    for (let column = 0; column < span; column++) {
      const tap = row % dilation === 0 && column % dilation === 0;
      cells.push(`<rect x="${column}" y="${row}" width="0.92" height="0.92" class="${tap ? "tap" : "hole"}"/>`);
    }
  const words = `${kernel_size ** 2} of ${span ** 2} pixels are used`;
  return `<svg viewBox="0 0 ${span} ${span}" role="img" aria-label="${words}">${cells.join("")}</svg><p>${words}</p>`;
}

function show(form, result) {
  const chosen = {};
  for (const [name, , values] of SLIDERS) {
    chosen[name] = values[form.elements[name].value];
    form.querySelector(`output[for=${name}]`).value = chosen[name];
    form.elements[name].setAttribute("aria-valuetext", chosen[name]);
  }
  const cost = convCost(chosen);
  if (cost.refused) {
    result.innerHTML = `<p class="refused">Refused: ${cost.refused}.</p>`;
    return;
  }
  const format = number => number.toLocaleString("en-US");
  const rows = [
    ["kind", cost.kind],
    ["output", `${chosen.out_channels}×${times(cost.output)}`],
    ["parameters", format(cost.params)],
    ["MACs", format(cost.macs)],
    ["activations", format(cost.activations)],
    ["bytes moved, at least", format(cost.bytes)],
    ["FLOPs a byte", cost.intensity.toFixed(1)],
    ["spans", `${times(cost.span)} pixels`],
  ];
  const table = rows.map(([name, value]) => `<tr><th scope="row">${name}</th><td>${value}</td></tr>`).join("");
  result.innerHTML = `<table>${table}</table><div class="footprint">${footprint(chosen, cost.span)}</div>`;
}

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("#explorer"), result = document.querySelector("#explorer-result");
  form.innerHTML = SLIDERS.map(([name, label, values, first]) =>
    `<label for="${name}">${label}</label>` +
    `<input type="range" id="${name}" name="${name}" min="0" max="${values.length - 1}" value="${values.indexOf(first)}">` +
    `<output for="${name}"></output>`).join("");
  form.addEventListener("input", () => show(form, result));
  show(form, result);
});
