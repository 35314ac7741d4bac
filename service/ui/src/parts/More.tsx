/** Reads the next page of a list, if there is one. */
export function More({ of }: { of: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown } }) {
  if (!of.hasNextPage) return null;
  return <button className="small more" disabled={of.isFetchingNextPage} onClick={() => void of.fetchNextPage()}>More</button>;
}
