// A table that is wider than the window can be scrolled by keys, too. The theme puts such a box around each table.
new MutationObserver(() => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) box.tabIndex = 0;
}).observe(document, { childList: true, subtree: true });
