#pragma once
// Numbers of one kind of thing, and tables that only such numbers open: a task's number never finds a tensor.

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <utility>
#include <vector>

namespace moesaic {

/// A position in a list; negative: none. Plain integers become ids by themselves, as loops count with them; ids of one
/// kind become neither integers nor ids of another kind.
template <class Kind>
class Id {
 public:
  constexpr Id() = default;
  constexpr Id(std::integral auto value) : value_(static_cast<int32_t>(value)) {}  // NOLINT: see above

  constexpr int32_t value() const { return value_; }
  constexpr explicit operator size_t() const { return static_cast<size_t>(value_); }
  constexpr Id& operator++() { return ++value_, *this; }
  friend constexpr auto operator<=>(Id, Id) = default;
  friend std::ostream& operator<<(std::ostream& out, Id id) { return out << id.value_; }

 private:
  int32_t value_ = -1;
};

/// One T for each thing that has such a number.
template <class Number, class T>
class Table : public std::vector<T> {
 public:
  Table() = default;
  explicit Table(size_t size, const T& value = T()) : std::vector<T>(size, value) {}
  Table(std::initializer_list<T> things) : std::vector<T>(things) {}
  explicit Table(std::vector<T> things) : std::vector<T>(std::move(things)) {}

  decltype(auto) operator[](Number at) { return std::vector<T>::operator[](static_cast<size_t>(at)); }
  decltype(auto) operator[](Number at) const { return std::vector<T>::operator[](static_cast<size_t>(at)); }
  decltype(auto) at(Number place) { return std::vector<T>::at(static_cast<size_t>(place)); }
  decltype(auto) at(Number place) const { return std::vector<T>::at(static_cast<size_t>(place)); }

  /// The numbers of the last thing and of the one that will be added next.
  Number last() const { return Number(static_cast<int32_t>(this->size()) - 1); }
  Number next() const { return Number(static_cast<int32_t>(this->size())); }
};

}  // namespace moesaic
