/* Copying an address. Every page works without this file. */

/* A click puts the cursor somewhere after the focus has selected all; a part that somebody has marked stays so. */
for (const field of document.querySelectorAll("textarea[readonly]")) {
  for (const event of ["focus", "click"]) {
    field.addEventListener(event, () => field.selectionStart === field.selectionEnd && field.select());
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const word = button.firstElementChild, told = button.nextElementSibling;
  const usual = word.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    told.textContent = word.textContent = button.dataset[await copy(field) ? "copied" : "selected"];
    setTimeout(() => { word.textContent = usual; told.textContent = ""; }, 5000);
  });
}

/* Pages without https are not given the clipboard; the older way is there for them. */
async function copy(field) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    return document.execCommand("copy");
  }
}
