/** The package's own types declare another name and want the browser's; these are what is used of it. */
declare module "@mixmark-io/domino" {
  export interface DominoElement {
    readonly nodeName: string;
    readonly textContent: string | null;
    readonly childNodes: ArrayLike<DominoElement>;
    getAttribute(name: string): string | null;
    remove(): void;
  }
  export interface DominoList {
    readonly length: number;
    item(index: number): DominoElement | null;
  }
  export interface DominoDocument {
    readonly title: string;
    readonly body: DominoElement | null;
    getElementsByTagName(name: string): DominoList;
    querySelectorAll(selector: string): DominoList;
  }
  const domino: { createDocument(html: string, force?: boolean): DominoDocument };
  export default domino;
}
