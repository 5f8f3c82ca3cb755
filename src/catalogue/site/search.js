// Narrows the list; without it the page is whole.
"use strict";
const field = document.getElementById("words");
const number = document.getElementById("number");
const recipes = [...document.querySelectorAll(".recipes > li")].map((item) => ({
  item,
  text: item.textContent.toLowerCase(),
}));
const sections = [...document.querySelectorAll("main > section")];
const all = number.textContent;

function narrow() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { item, text } of recipes) {
    item.hidden = !words.every((word) => text.includes(word));
    if (!item.hidden) shown += 1;
  }
  for (const section of sections) {
    section.hidden = !section.querySelector(".recipes > li:not([hidden])");
  }
  number.textContent = words.length === 0 ? all : `${shown} of ${all}`;
}

document.getElementById("search").hidden = false;
field.addEventListener("input", narrow);
narrow();
